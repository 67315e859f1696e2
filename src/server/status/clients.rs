//! What to paste into the clients that people have, for this endpoint. Keys are placeholders: no secret
//! is shown.

const ID: &str = "ACCESS_KEY_ID";
const SECRET: &str = "SECRET_ACCESS_KEY";

/// A client's name and its configuration.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) client: &'static str,
    pub(super) text: String,
}

/// All of them.
pub(super) fn recipes(endpoint: &str, region: &str) -> Vec<Recipe> {
    let recipe = |client, text| Recipe { client, text };
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let https = scheme == "https";
    vec![
        recipe("aws cli", format!("{}\naws s3 ls\n", keys(&aws_cli(endpoint, region)))),
        recipe("boto3", boto3(endpoint, region)),
        recipe("rclone", rclone(endpoint, region)),
        recipe(
            "s3cmd",
            format!(
                "# ~/.s3cfg\n[default]\naccess_key = {ID}\nsecret_key = {SECRET}\n\
                 host_base = {host}\nhost_bucket = {host}\nbucket_location = {region}\n\
                 use_https = {}\nsignature_v2 = False\n",
                if https { "True" } else { "False" }
            ),
        ),
        recipe("JavaScript", javascript(endpoint, region)),
        recipe("Terraform", terraform(endpoint, region)),
        recipe(
            "restic",
            format!(
                "export AWS_ACCESS_KEY_ID={ID} AWS_SECRET_ACCESS_KEY={SECRET}\n\
                 restic -r s3:{endpoint}/BUCKET -o s3.bucket-lookup=path -o s3.region={region} init\n"
            ),
        ),
    ]
}

/// What `dev` prints below its keys.
pub(in crate::server) fn for_dev(endpoint: &str, region: &str) -> String {
    let (cli, boto3) = (aws_cli(endpoint, region), boto3(endpoint, region));
    format!("# aws cli\n{cli}\naws s3 ls\n\n# boto3\n{boto3}")
}

fn keys(rest: &str) -> String {
    format!("export AWS_ACCESS_KEY_ID={ID} AWS_SECRET_ACCESS_KEY={SECRET}\n{rest}")
}

fn aws_cli(endpoint: &str, region: &str) -> String {
    format!(
        "export AWS_ENDPOINT_URL_S3={endpoint} AWS_DEFAULT_REGION={region}\n\
         aws configure set default.s3.signature_version s3v4\n\
         aws configure set default.s3.addressing_style path"
    )
}

fn boto3(endpoint: &str, region: &str) -> String {
    format!(
        "import boto3\n\
         from botocore.config import Config\n\
         s3 = boto3.client(\"s3\", endpoint_url=\"{endpoint}\", region_name=\"{region}\",\n\
         \x20   config=Config(signature_version=\"s3v4\", s3={{\"addressing_style\": \"path\"}}))\n"
    )
}

/// Its provider `Other` would list by version 1 and without encoding.
fn rclone(endpoint: &str, region: &str) -> String {
    format!(
        "# ~/.config/rclone/rclone.conf\n[bluebucket]\ntype = s3\nprovider = Other\n\
         access_key_id = {ID}\nsecret_access_key = {SECRET}\nendpoint = {endpoint}\n\
         region = {region}\nforce_path_style = true\nlist_version = 2\nlist_url_encode = true\n"
    )
}

fn javascript(endpoint: &str, region: &str) -> String {
    format!(
        "import {{ S3Client }} from \"@aws-sdk/client-s3\";\n\
         const s3 = new S3Client({{\n  endpoint: \"{endpoint}\",\n  region: \"{region}\",\n  \
         forcePathStyle: true,\n  credentials: {{ accessKeyId: \"{ID}\", secretAccessKey: \"{SECRET}\" }},\n}});\n"
    )
}

fn terraform(endpoint: &str, region: &str) -> String {
    format!(
        "terraform {{\n  backend \"s3\" {{\n    bucket                      = \"BUCKET\"\n    \
         key                         = \"terraform.tfstate\"\n    \
         region                      = \"{region}\"\n    \
         endpoints                   = {{ s3 = \"{endpoint}\" }}\n    \
         use_path_style              = true\n    use_lockfile                = true\n    \
         skip_credentials_validation = true\n    skip_metadata_api_check     = true\n    \
         skip_region_validation      = true\n    skip_requesting_account_id  = true\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_names_the_endpoint() {
        let recipes = recipes("https://s3.test:9000", "eu-1");
        for Recipe { client, text } in &recipes {
            assert!(text.contains("s3.test:9000") && text.contains("eu-1"), "{client}: {text}");
        }
        let s3cmd = recipes.iter().find(|recipe| recipe.client == "s3cmd").unwrap();
        assert!(s3cmd.text.contains("use_https = True"), "{}", s3cmd.text);
    }
}
