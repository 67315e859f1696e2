//! Containers: made, looked at, changed, deleted.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-container>
//! <https://learn.microsoft.com/rest/api/storageservices/delete-container>

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use http::{HeaderValue, StatusCode};

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::conditions::Conditions;
use crate::lease::{Lease, Of};
use crate::metadata::Metadata;
use crate::ops::read::put_lease_of;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Container, ContainerFacts, read, write};

impl Service {
    pub(crate) fn create_container(&self, ask: &Ask) -> Outcome {
        let metadata = Metadata::of(&ask.headers)?;
        let facts = self.add_container(&ask.container, metadata)?;
        let mut answer = answer::plain(StatusCode::CREATED);
        answer::put_state(answer.headers_mut(), facts.etag, facts.last_modified);
        Ok(answer)
    }

    pub(crate) fn add_container(
        &self,
        name: &str,
        metadata: Metadata,
    ) -> Result<ContainerFacts, Refusal> {
        let now = self.now();
        let etag = self.etag();
        let facts = ContainerFacts { metadata, etag, last_modified: now, lease: Lease::Available };
        let mut containers = write(&self.store.containers);
        if containers.contains_key(name) {
            return Err(refusal::CONTAINER_ALREADY_EXISTS.into());
        }
        let mut deleted = write(&self.store.deleted);
        if deleted.get(name).is_some_and(|free| *free > now) {
            return Err(refusal::CONTAINER_BEING_DELETED.into());
        }
        deleted.remove(name);
        let container =
            Container { facts: RwLock::new(facts.clone()), blobs: RwLock::new(BTreeMap::new()) };
        containers.insert(name.into(), Arc::new(container));
        Ok(facts)
    }

    pub(crate) fn container_properties(&self, ask: &Ask) -> Outcome {
        let container = self.container(ask)?;
        let facts = read(&container.facts);
        let now = self.now();
        facts.lease.allows_read(ask.lease(), Of::Container, now)?;
        let mut answer = answer::plain(StatusCode::OK);
        let headers = answer.headers_mut();
        facts.metadata.put(headers);
        answer::put_state(headers, facts.etag, facts.last_modified);
        put_lease_of(headers, &facts.lease, now);
        headers.insert(name::HAS_IMMUTABILITY_POLICY, HeaderValue::from_static("false"));
        headers.insert(name::HAS_LEGAL_HOLD, HeaderValue::from_static("false"));
        Ok(answer)
    }

    /// Of the conditions, only If-Modified-Since is looked at; the service refuses the others.
    pub(crate) fn set_container_metadata(&self, ask: &Ask) -> Outcome {
        for name in ["if-match", "if-none-match", "if-unmodified-since"] {
            if ask.headers.contains_key(name) {
                return Err(refusal::INVALID_HEADER_VALUE.into());
            }
        }
        Conditions::of(ask)?;
        let metadata = Metadata::of(&ask.headers)?;
        let container = self.container(ask)?;
        let mut facts = write(&container.facts);
        facts.lease.allows_read(ask.lease(), Of::Container, self.now())?;
        facts.metadata = metadata;
        facts.etag = self.etag();
        facts.last_modified = self.now();
        let mut answer = answer::plain(StatusCode::OK);
        answer::put_state(answer.headers_mut(), facts.etag, facts.last_modified);
        Ok(answer)
    }

    /// With everything in it; the name is free again after a while.
    pub(crate) fn delete_container(&self, ask: &Ask) -> Outcome {
        let now = self.now();
        let time = self.behaviour().container_delete_time;
        let mut containers = write(&self.store.containers);
        let container = containers.get(&ask.container).ok_or(refusal::CONTAINER_NOT_FOUND)?;
        read(&container.facts).lease.allows(ask.lease(), Of::Container, now)?;
        containers.remove(&ask.container);
        if !time.is_zero() {
            write(&self.store.deleted).insert(ask.container.clone(), now.after(time));
        }
        Ok(answer::plain(StatusCode::ACCEPTED))
    }
}
