//! What may be published, by the shape of its payload (docs/limits.md, Schemas). The hub only asks; who knows the shapes is set from without.

use crate::config::Namespace;
use crate::hub::Hub;
use crosspoint_core::{Code, Fault};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Knows the shapes of payloads.
pub trait PayloadCheck: Send + Sync {
    /// Whether events of this type may have this payload in rooms of this namespace. Nothing is `null`.
    ///
    /// # Errors
    /// `bad_request`, with the place in the payload.
    fn check(&self, namespace: &Namespace, kind: &str, data: &RawValue) -> Result<(), Fault>;
}

impl Hub {
    /// From now on payloads in namespaces with schemas are checked there. Only the first one counts.
    pub fn check_payloads(&self, check: Arc<dyn PayloadCheck>) {
        // A second one is ignored, as said.
        let _ = self.payloads.set(check);
    }

    /// Whether this may be published in rooms of this namespace, by clients and backends alike.
    pub(crate) fn check_payload(
        &self,
        namespace: &Namespace,
        kind: &str,
        data: Option<&RawValue>,
        is_binary: bool,
    ) -> Result<(), Fault> {
        if namespace.schemas.is_empty() && !namespace.schemas_strict {
            return Ok(());
        }
        let checked = match self.payloads.get() {
            _ if is_binary && namespace.schema_of(kind).is_some() => Err(Fault::new(
                Code::BadRequest,
                format!("Events of type {kind} have no payload of bytes here"),
            )),
            _ if namespace.schema_of(kind).is_none() => match namespace.schemas_strict {
                true => Err(Fault::new(Code::BadRequest, format!("There are no events of type {kind} here"))),
                false => Ok(()),
            },
            Some(check) => check.check(namespace, kind, data.unwrap_or(RawValue::NULL)),
            None => Err(Fault::new(Code::Unavailable, "Nobody knows the shape of payloads here")),
        };
        self.stats.payloads_refused.fetch_add(checked.is_err().into(), Relaxed);
        checked
    }
}
