//! List Containers, by name.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-containers2>

use std::ops::Bound;

use crate::answer::{self, Outcome};
use crate::ask::Ask;
use crate::clock::Time;
use crate::marker;
use crate::refusal;
use crate::service::Service;
use crate::state::{Container, read};
use crate::xml;

impl Service {
    pub(crate) fn list_containers(&self, ask: &Ask) -> Outcome {
        let most = super::list_blobs::max_results(ask)?;
        let prefix = ask.query("prefix").unwrap_or_default();
        let marker = ask.query("marker").map(|text| {
            let bytes = marker::unseal(text).ok_or(refusal::INVALID_QUERY_PARAMETER_VALUE)?;
            String::from_utf8(bytes).map_err(|_| refusal::INVALID_QUERY_PARAMETER_VALUE)
        });
        let marker = marker.transpose()?.unwrap_or_default();
        let metadata = ask.query("include").is_some_and(|include| {
            include.split(',').any(|word| word.eq_ignore_ascii_case("metadata"))
        });
        let now = self.now();
        let from = if &*marker > prefix { marker.as_str() } else { prefix };
        let mut text = format!("{}<EnumerationResults ServiceEndpoint=\"", xml::HEAD);
        text.push_str(&self.endpoint());
        text.push_str("\"><Containers>");
        let mut next = None;
        let containers = read(&self.store.containers);
        let range = containers.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        let found = range.take_while(|(name, _)| name.starts_with(prefix));
        for (count, (name, container)) in found.enumerate() {
            if count == most {
                next = Some(marker::seal(name.as_bytes()));
                break;
            }
            add(&mut text, name, container, metadata, now);
        }
        text.push_str("</Containers><NextMarker>");
        text.push_str(next.as_deref().unwrap_or_default());
        text.push_str("</NextMarker></EnumerationResults>");
        Ok(answer::document(text))
    }

    /// `http://127.0.0.1:port/account`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, self.options.account)
    }
}

fn add(text: &mut String, name: &str, container: &Container, metadata: bool, now: Time) {
    let facts = read(&container.facts);
    text.extend(["<Container><Name>", name, "</Name><Properties><Last-Modified>"]);
    text.push_str(&facts.last_modified.http_date());
    text.extend(["</Last-Modified><Etag>\"", &facts.etag.text(), "\"</Etag><LeaseStatus>"]);
    let state = facts.lease.state(now);
    text.extend([state.status(), "</LeaseStatus><LeaseState>", state.text(), "</LeaseState>"]);
    text.push_str("<HasImmutabilityPolicy>false</HasImmutabilityPolicy>");
    text.push_str("<HasLegalHold>false</HasLegalHold></Properties>");
    if metadata {
        super::list_blobs::add_metadata(text, &facts.metadata);
    }
    text.push_str("</Container>");
}
