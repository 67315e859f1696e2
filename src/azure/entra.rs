//! Entra ID: which identity we have, in the order that everyone knows, with tokens fetched over our
//! own connections.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_identity as identity;

use super::credential::Credential;
use super::entra_http::EntraHttp;
use super::entra_kept::Kept;
use super::settings::WireSettings;
use super::store::SetupError;

/// What the environment says about Entra ID. Read by the caller; prints no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EntraSettings {
    /// `AZURE_TENANT_ID`
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`; alone it names a managed identity.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`; Azure's public cloud without.
    pub authority_host: Option<String>,
}

impl fmt::Debug for EntraSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraSettings")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| ".."))
            .field("federated_token_file", &self.federated_token_file)
            .field("authority_host", &self.authority_host)
            .finish()
    }
}

/// Azure's own metadata service answers within a second; elsewhere nobody does.
const MANAGED_IDENTITY_DEADLINE: Duration = Duration::from_secs(5);

/// The metadata service is not ready at once, and a chain cannot tell us that. A call waits for its
/// token, so that is not asked for as long as the SDK would (a minute).
const METADATA_RETRIES_MAX: u32 = 3;

/// The identity that the environment names: an application with a secret, or a workload identity, or
/// else the first that gives a token of managed identity and az cli. Nothing is fetched yet.
pub fn entra(from: &EntraSettings, wire: &WireSettings) -> Result<Credential, SetupError> {
    let which = which(from)?;
    let options = client_options(from, wire, retries(&which))?;
    let credential: Arc<dyn TokenCredential> = match which {
        Which::ClientSecret { tenant, client, secret } => identity::ClientSecretCredential::new(
            tenant,
            client.to_owned(),
            Secret::new(secret.to_owned()),
            Some(identity::ClientSecretCredentialOptions { client_options: options }),
        )
        .map_err(faulty)?,
        Which::Workload { tenant, client, file } => {
            let mut all = identity::WorkloadIdentityCredentialOptions::default();
            all.credential_options.client_options = options;
            all.tenant_id = Some(tenant.to_owned());
            all.client_id = Some(client.to_owned());
            all.token_file_path = Some(file.clone());
            identity::WorkloadIdentityCredential::new(Some(all)).map_err(faulty)?
        }
        Which::Surroundings { client } => Chain::new(managed(client, options), azure_cli()?),
    };
    Ok(Credential::Token(Kept::new(credential, wire.clock)))
}

enum Which<'a> {
    ClientSecret { tenant: &'a str, client: &'a str, secret: &'a str },
    Workload { tenant: &'a str, client: &'a str, file: &'a PathBuf },
    Surroundings { client: Option<&'a str> },
}

/// What is configured is used, and half a configuration is a fault rather than another identity.
fn which(from: &EntraSettings) -> Result<Which<'_>, SetupError> {
    let (tenant, client) = (from.tenant_id.as_deref(), from.client_id.as_deref());
    let missing = |with: &str| {
        SetupError::new(format!("{with} goes with AZURE_TENANT_ID and AZURE_CLIENT_ID"))
    };
    if let Some(secret) = &from.client_secret {
        let (tenant, client) = tenant.zip(client).ok_or_else(|| missing("AZURE_CLIENT_SECRET"))?;
        return Ok(Which::ClientSecret { tenant, client, secret });
    }
    if let Some(file) = &from.federated_token_file {
        let (tenant, client) =
            tenant.zip(client).ok_or_else(|| missing("AZURE_FEDERATED_TOKEN_FILE"))?;
        return Ok(Which::Workload { tenant, client, file });
    }
    Ok(Which::Surroundings { client })
}

fn managed(
    client: Option<&str>,
    options: ClientOptions,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let id = client.map(|id| identity::UserAssignedId::ClientId(id.to_owned()));
    let all = identity::ManagedIdentityCredentialOptions {
        user_assigned_id: id,
        client_options: options,
    };
    let credential: Arc<dyn TokenCredential> = identity::ManagedIdentityCredential::new(Some(all))?;
    Ok(credential)
}

fn azure_cli() -> Result<Arc<dyn TokenCredential>, SetupError> {
    let credential: Arc<dyn TokenCredential> =
        identity::AzureCliCredential::new(None).map_err(faulty)?;
    Ok(credential)
}

/// A call that got no token is made again by our own rules and budget, so the SDK does not do so, too.
fn retries(which: &Which<'_>) -> RetryOptions {
    match which {
        Which::ClientSecret { .. } | Which::Workload { .. } => RetryOptions::none(),
        Which::Surroundings { .. } => RetryOptions::exponential(ExponentialRetryOptions {
            max_retries: METADATA_RETRIES_MAX,
            ..Default::default()
        }),
    }
}

fn client_options(
    from: &EntraSettings,
    wire: &WireSettings,
    retry: RetryOptions,
) -> Result<ClientOptions, SetupError> {
    let cloud = from.authority_host.as_ref().map(|host| {
        let mut custom = CustomConfiguration::default();
        custom.authority_host.clone_from(host);
        Arc::new(CloudConfiguration::Custom(custom))
    });
    Ok(ClientOptions {
        transport: Some(Transport::new(Arc::new(EntraHttp::new(wire)?))),
        retry,
        cloud,
        ..ClientOptions::default()
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn faulty(cause: azure_core::Error) -> SetupError {
    SetupError::new(format!("the Entra credential: {cause}"))
}

/// Two identities that the surroundings may give; the first that ever gave a token is kept.
struct Chain {
    /// Or why there is none here.
    managed: azure_core::Result<Arc<dyn TokenCredential>>,
    cli: Arc<dyn TokenCredential>,
    known: AtomicUsize,
}

const UNKNOWN: usize = 0;
const MANAGED: usize = 1;
const CLI: usize = 2;

impl Chain {
    fn new(
        managed: azure_core::Result<Arc<dyn TokenCredential>>,
        cli: Arc<dyn TokenCredential>,
    ) -> Arc<Self> {
        Arc::new(Self { managed, cli, known: AtomicUsize::new(UNKNOWN) })
    }

    async fn managed_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
        first: bool,
    ) -> Result<AccessToken, String> {
        let credential = self.managed.as_ref().map_err(ToString::to_string)?;
        let asking = credential.get_token(scopes, options);
        let token = if first {
            let Ok(token) = tokio::time::timeout(MANAGED_IDENTITY_DEADLINE, asking).await else {
                return Err("no answer from the metadata service".to_owned());
            };
            token
        } else {
            asking.await
        };
        token.map_err(|cause| cause.to_string())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("managed identity or az cli")
    }
}

#[async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let known = self.known.load(Ordering::Relaxed);
        if known == CLI {
            return self.cli.get_token(scopes, options).await;
        }
        let first = known == UNKNOWN;
        let managed = self.managed_token(scopes, options.clone(), first).await;
        let managed = match managed {
            Ok(token) => {
                self.known.store(MANAGED, Ordering::Relaxed);
                return Ok(token);
            }
            Err(cause) => cause,
        };
        let failed = |cli: &str| {
            let text = format!("no token. Managed identity: {managed}. az cli: {cli}");
            azure_core::Error::with_message(ErrorKind::Credential, text)
        };
        if known == MANAGED {
            return Err(failed("not asked"));
        }
        let token = self
            .cli
            .get_token(scopes, options)
            .await
            .map_err(|cause| failed(&cause.to_string()))?;
        self.known.store(CLI, Ordering::Relaxed);
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[derive(Debug)]
    struct Gives(Option<&'static str>);

    #[async_trait]
    impl TokenCredential for Gives {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            self.0
                .map(|token| AccessToken::new(token, datetime!(2030-01-01 00:00 UTC)))
                .ok_or_else(|| azure_core::Error::with_message(ErrorKind::Credential, "none here"))
        }
    }

    async fn token(
        managed: Option<&'static str>,
        cli: Option<&'static str>,
    ) -> Result<String, String> {
        let chain = Chain::new(Ok(Arc::new(Gives(managed))), Arc::new(Gives(cli)));
        let token = chain.get_token(&["s"], None).await.map_err(|cause| cause.to_string())?;
        Ok(token.token.secret().to_owned())
    }

    #[tokio::test]
    async fn the_first_that_gives_a_token_is_taken() {
        assert_eq!(token(Some("m"), Some("c")).await.as_deref(), Ok("m"));
        assert_eq!(token(None, Some("c")).await.as_deref(), Ok("c"));
        let error = token(None, None).await.unwrap_err();
        assert!(
            error.contains("Managed identity: none here") && error.contains("az cli: none"),
            "{error}"
        );
    }

    #[test]
    fn what_is_configured_is_used() {
        let some = |text: &str| Some(text.to_owned());
        let mut from = EntraSettings { client_id: some("c"), ..EntraSettings::default() };
        assert!(matches!(which(&from), Ok(Which::Surroundings { client: Some("c") })));
        from.federated_token_file = Some("/token".into());
        assert!(which(&from).is_err());
        from.tenant_id = some("t");
        assert!(matches!(which(&from), Ok(Which::Workload { .. })));
        from.client_secret = some("s3cret");
        assert!(matches!(which(&from), Ok(Which::ClientSecret { .. })));
        assert!(!format!("{from:?}").contains("s3cret"));
        from.tenant_id = None;
        assert!(which(&from).is_err());
    }

    #[test]
    fn a_credential_is_made_without_asking_anybody() {
        let from = EntraSettings {
            tenant_id: Some("72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned()),
            client_id: Some("client".to_owned()),
            client_secret: Some("s3cret".to_owned()),
            ..EntraSettings::default()
        };
        let made = entra(&from, &WireSettings::default());
        assert!(matches!(made, Ok(Credential::Token(_))));
        let nowhere = EntraSettings { authority_host: Some("http://plain".to_owned()), ..from };
        assert!(entra(&nowhere, &WireSettings::default()).is_err(), "a secret over plain HTTP");
    }
}
