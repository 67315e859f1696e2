//! Entra ID.

use super::credential::Credential;
use super::settings::WireSettings;
use super::store::SetupError;
use std::path::PathBuf;

/// What the environment says about Entra ID; read by the caller.
#[derive(Clone, Default)]
pub struct EntraSettings {
    /// `AZURE_TENANT_ID`
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`
    pub authority_host: Option<String>,
}

/// The credential of the first that gives a token: environment, workload identity, managed identity,
/// az cli.
pub fn entra(from: &EntraSettings, wire: &WireSettings) -> Result<Credential, SetupError> {
    let _ = (from, wire);
    todo!()
}
