//! Lease Container and Lease Blob: one protocol for both.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-container>
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob>

use http::{HeaderValue, StatusCode};

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::lease::{self, Lease};
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{ETag, write};

impl Service {
    pub(crate) fn lease_container(&self, ask: &Ask) -> Outcome {
        let container = self.container(ask)?;
        let mut facts = write(&container.facts);
        let state = (facts.etag, facts.last_modified);
        self.lease_it(ask, &mut facts.lease, state)
    }

    pub(crate) fn lease_blob(&self, ask: &Ask) -> Outcome {
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let blob = entry.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
            Conditions::of(ask)?.for_changing(blob)?;
            let state = (blob.etag, blob.last_modified);
            self.lease_it(ask, &mut entry.lease, state)
        })
    }

    /// Leasing changes no ETag.
    fn lease_it(&self, ask: &Ask, lease: &mut Lease, state: (ETag, Time)) -> Outcome {
        let now = self.now();
        let mut answer = answer::plain(StatusCode::OK);
        match ask.header("x-ms-lease-action").ok_or(refusal::MISSING_REQUIRED_HEADER)? {
            "acquire" => {
                let seconds = lease::duration(ask.header("x-ms-lease-duration"))?;
                let proposed = ask.header("x-ms-proposed-lease-id").map(str::to_owned);
                let id = proposed.unwrap_or_else(|| self.guid());
                lease.acquire(&id, seconds, now)?;
                *answer.status_mut() = StatusCode::CREATED;
                answer::put_text(&mut answer, name::LEASE_ID, &id);
            }
            "renew" => {
                let id = shown(ask)?;
                lease.renew(id, now)?;
                answer::put_text(&mut answer, name::LEASE_ID, id);
            }
            "change" => {
                let to = ask.header("x-ms-proposed-lease-id");
                let to = to.ok_or(refusal::MISSING_REQUIRED_HEADER)?;
                lease.change(shown(ask)?, to, now)?;
                answer::put_text(&mut answer, name::LEASE_ID, to);
            }
            "release" => lease.release(shown(ask)?)?,
            "break" => {
                let period = ask.header("x-ms-lease-break-period");
                let period = period.map(str::parse).transpose();
                let period: Option<u32> = period.map_err(|_| refusal::INVALID_HEADER_VALUE)?;
                if period.is_some_and(|seconds| seconds > 60) {
                    return Err(refusal::INVALID_HEADER_VALUE.into());
                }
                let left = lease.break_it(period, now)?;
                *answer.status_mut() = StatusCode::ACCEPTED;
                answer::put(&mut answer, name::LEASE_TIME, HeaderValue::from(left));
            }
            _ => return Err(refusal::INVALID_HEADER_VALUE.into()),
        }
        answer::put_state(answer.headers_mut(), state.0, state.1);
        Ok(answer)
    }
}

fn shown(ask: &Ask) -> Result<&str, Refusal> {
    ask.lease().ok_or_else(|| refusal::MISSING_REQUIRED_HEADER.into())
}
