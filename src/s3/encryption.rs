//! What the headers of encryption ask for, and whether they can be meant at all: S3 refuses what
//! contradicts itself before anything else.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-s3-encryption.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html>

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};
use md5::{Digest as _, Md5};

use crate::s3::operation::Operation;
use crate::s3::{Code, Error, headers};

const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const KMS_CONTEXT: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-context");
const KMS: [&str; 2] = ["aws:kms", "aws:kms:dsse"];
const AES256: &str = "AES256";
/// The length of a customer's key, in bytes.
const KEY_BYTES: usize = 32;

/// The headers that bring a customer's key: algorithm, key, MD5 of the key.
type KeyHeaders = [HeaderName; 3];

const OF_OBJECT: KeyHeaders = [
    HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm"),
    HeaderName::from_static("x-amz-server-side-encryption-customer-key"),
    HeaderName::from_static("x-amz-server-side-encryption-customer-key-md5"),
];
const OF_SOURCE: KeyHeaders = [
    HeaderName::from_static("x-amz-copy-source-server-side-encryption-customer-algorithm"),
    HeaderName::from_static("x-amz-copy-source-server-side-encryption-customer-key"),
    HeaderName::from_static("x-amz-copy-source-server-side-encryption-customer-key-md5"),
];

/// Refuses headers of encryption that contradict each other, that say what nobody knows, or that come
/// with a read: what is left may be built or not, but could be meant.
pub fn check(operation: Operation, headers: &HeaderMap) -> Result<(), Error> {
    let is_of_encryption = |name: &HeaderName| {
        let of_amazon = name.as_str().strip_prefix("x-amz-");
        let of_object = of_amazon.map(|name| name.strip_prefix("copy-source-").unwrap_or(name));
        of_object.is_some_and(|name| name.starts_with("server-side-encryption"))
    };
    if !headers.keys().any(is_of_encryption) {
        return Ok(());
    }
    let said = headers::text(headers, &headers::SERVER_SIDE_ENCRYPTION)?;
    if matches!(operation, Operation::GetObject | Operation::HeadObject)
        && let Some(name) =
            [headers::SERVER_SIDE_ENCRYPTION, KMS_KEY, KMS_CONTEXT].iter().find(is_in(headers))
    {
        return Err(about(name, "The header is not supported for this operation."));
    }
    if said.is_some_and(|said| said != AES256 && !KMS.contains(&said)) {
        return Err(about(
            &headers::SERVER_SIDE_ENCRYPTION,
            "The encryption method specified is not supported",
        ));
    }
    let is_kms = said.is_some_and(|said| KMS.contains(&said));
    if !is_kms && let Some(name) = [KMS_KEY, KMS_CONTEXT].iter().find(is_in(headers)) {
        return Err(about(
            name,
            "Server Side Encryption with AWS KMS managed key requires HTTP header \
             x-amz-server-side-encryption : aws:kms",
        ));
    }
    let brings_key = check_key(headers, &OF_OBJECT)?;
    if brings_key && said.is_some() {
        return Err(about(
            &headers::SERVER_SIDE_ENCRYPTION,
            "Server Side Encryption with Customer provided key is incompatible with the encryption \
             method specified",
        ));
    }
    check_key(headers, &OF_SOURCE).map(|_brings_key| ())
}

fn is_in(headers: &HeaderMap) -> impl Fn(&&HeaderName) -> bool {
    |name| headers.contains_key(*name)
}

/// Do the headers bring a key of the customer's? All three have to come, and to agree.
fn check_key(headers: &HeaderMap, names: &KeyHeaders) -> Result<bool, Error> {
    let [algorithm_name, key_name, md5_name] = names;
    if !names.iter().any(|name| headers.contains_key(name)) {
        return Ok(false);
    }
    let need = |name, what: &str| {
        let missing = || {
            about(
                name,
                format!(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
                ),
            )
        };
        headers::text(headers, name)?.ok_or_else(missing)
    };
    let algorithm = need(algorithm_name, "a valid encryption algorithm")?;
    if algorithm != AES256 {
        return Err(Error::new(Code::InvalidEncryptionAlgorithmError)
            .detail("ArgumentName", algorithm_name.as_str())
            .detail("ArgumentValue", algorithm));
    }
    let key = need(key_name, "an appropriate secret key")?;
    let md5 = need(md5_name, "the client calculated MD5 of the secret key")?;
    let key = BASE64.decode(key.as_bytes()).ok().filter(|key| key.len() == KEY_BYTES);
    let Some(key) = key else {
        return Err(about(key_name, "The secret key was invalid for the specified algorithm."));
    };
    if BASE64.decode(md5.as_bytes()).ok().as_deref() != Some(&Md5::digest(&key)[..]) {
        let message =
            "The calculated MD5 hash of the key did not match the hash that was provided.";
        return Err(about(md5_name, message));
    }
    Ok(true)
}

/// The value is not repeated: it may be a secret.
fn about(name: &HeaderName, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument).message(message).detail("ArgumentName", name.as_str())
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use http::{HeaderMap, HeaderName};
    use md5::{Digest as _, Md5};

    use super::check;
    use crate::s3::Code;
    use crate::s3::operation::Operation;

    fn said(operation: Operation, headers: &[(&str, &str)]) -> Result<(), Code> {
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = format!("x-amz-{name}").parse().unwrap();
            (name, value.parse().unwrap())
        });
        check(operation, &headers.collect::<HeaderMap>()).map_err(|error| error.code())
    }

    #[test]
    fn what_can_be_meant_passes_and_what_cannot_is_at_fault() {
        const SSE: &str = "server-side-encryption";
        const KEY_ID: &str = "server-side-encryption-aws-kms-key-id";
        let invalid = Err(Code::InvalidArgument);
        for (headers, want) in [
            (&[][..], Ok(())),
            (&[(SSE, "AES256")], Ok(())),
            (&[(SSE, "aws:kms"), (KEY_ID, "k")], Ok(())),
            (&[(SSE, "aws:kms")], Ok(())),
            (&[(SSE, "aes:kms")], invalid),
            (&[(SSE, "AES192")], invalid),
            (&[(SSE, "AES256"), (KEY_ID, "k")], invalid),
            (&[(KEY_ID, "k")], invalid),
            (&[("server-side-encryption-context", "e30=")], invalid),
        ] {
            assert_eq!(said(Operation::PutObject, headers), want, "{headers:?}");
        }
        for operation in [Operation::GetObject, Operation::HeadObject] {
            assert_eq!(said(operation, &[(SSE, "aws:kms"), (KEY_ID, "k")]), invalid);
            assert_eq!(said(operation, &[(SSE, "AES256")]), invalid);
            assert_eq!(said(operation, &[]), Ok(()));
        }
    }

    #[test]
    fn a_customers_key_comes_whole_or_is_at_fault() {
        let (right, short) = (BASE64.encode(&[7; 32]), BASE64.encode(&[7; 31]));
        let (md5, other) = (BASE64.encode(&Md5::digest([7; 32])), BASE64.encode(&[0; 16]));
        for prefix in ["server-side-encryption", "copy-source-server-side-encryption"] {
            let asked = |algorithm: &str, key: &str, md5: &str| {
                let names = ["algorithm", "key", "key-md5"];
                let rows: Vec<_> = names
                    .iter()
                    .map(|name| format!("{prefix}-customer-{name}"))
                    .zip([algorithm, key, md5])
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
                let rows: Vec<_> =
                    rows.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                said(Operation::CopyObject, &rows)
            };
            assert_eq!(asked("AES256", &right, &md5), Ok(()));
            let invalid = Err(Code::InvalidArgument);
            assert_eq!(asked("", &right, &md5), invalid);
            assert_eq!(asked("AES256", "", &md5), invalid);
            assert_eq!(asked("AES256", &right, ""), invalid);
            assert_eq!(asked("AES256", &right, &other), invalid);
            assert_eq!(asked("AES256", &short, &md5), invalid);
            assert_eq!(asked("AES256", "=", &md5), invalid);
            assert_eq!(asked("AES192", &right, &md5), Err(Code::InvalidEncryptionAlgorithmError));
        }
        let key = [
            ("server-side-encryption-customer-algorithm", "AES256"),
            ("server-side-encryption-customer-key", right.as_str()),
            ("server-side-encryption-customer-key-md5", md5.as_str()),
        ];
        for with in ["AES256", "aws:kms"] {
            let both = [&key[..], &[("server-side-encryption", with)]].concat();
            assert_eq!(said(Operation::PutObject, &both), Err(Code::InvalidArgument));
        }
    }
}
