//! What tests stand on: a gateway over a strict Azure of its own, whose faults, clock and counts are the
//! test's; or one behind a proxy before the shared backend.

use strict_azure::{Gate, Operation, StrictAzure};

use super::gateway::ALICE;
use super::{Client, Gateway, PATIENCE, Proxy, path, strict_with};
use crate::buckets::bucket;

/// The server, the gateway, a client and its bucket.
pub(crate) struct Stand {
    /// What the gateway stands on.
    pub(crate) azure: StrictAzure,
    /// The gateway; its caches stay warm.
    pub(crate) gateway: Gateway,
    /// Alice.
    pub(crate) client: Client,
    /// A bucket of hers.
    pub(crate) bucket: String,
}

impl Stand {
    /// One over a strict Azure with these options.
    pub(crate) async fn open(change: impl FnOnce(&mut strict_azure::Options)) -> Self {
        let azure = strict_with(change);
        let gateway = Gateway::with(|settings| {
            settings.azure = azure.endpoint();
            settings.cache_ttl = "1m";
        });
        let gateway = gateway.await;
        let client = gateway.client(ALICE);
        let bucket = bucket(&client).await;
        Self { azure, gateway, client, bucket }
    }

    /// Another gateway over the same records, which knows nothing yet.
    pub(crate) async fn replica(&self) -> Gateway {
        Gateway::with(|settings| {
            settings.azure = self.azure.endpoint();
            settings.system_container.clone_from(&self.gateway.system_container);
        })
        .await
    }

    /// What has been asked since the last time.
    pub(crate) fn asked(&self) -> Vec<(Operation, u64)> {
        let counts = self.azure.counts();
        self.azure.reset_counts();
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// A gateway behind a proxy, a client of it, and a bucket. The probe of the account has been made.
pub(crate) async fn behind_a_proxy() -> (Proxy, Gateway, Client, String) {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    client.put(&path(&name, "warm")).body("warm").ok().await;
    (proxy, gateway, client, name)
}

/// Waits until a request stands at the gate.
pub(crate) async fn arrived(gate: &Gate) {
    let arrived = tokio::time::timeout(PATIENCE, gate.arrived()).await;
    arrived.expect("a request arrives");
}
