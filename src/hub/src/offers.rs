//! Links that need an exchange before they begin (WebRTC): within a session that another link carries, the hub passes offers to whoever
//! answers them (docs/protocol.md, WebRTC DataChannel).

use crate::act::parse;
use crate::cell::Cell;
use crate::hub::Hub;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Frame, LinkInfo};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a client is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The session description.
    pub sdp: String,
    /// The name by which the transport knows the client, a secret.
    pub peer: String,
}

/// Answers offers; whoever holds the transport implements it.
pub trait Offers: Send + Sync {
    /// The answer to a session description; `info` is what is known of the client.
    fn answer(&self, info: LinkInfo, offer: String) -> BoxFuture<'static, Result<Answered, Fault>>;
}

#[derive(Deserialize)]
struct OfferData {
    sdp: String,
}

impl Hub {
    /// From now on offers are answered there. Only the first one counts.
    pub fn answer_offers(&self, offers: Arc<dyn Offers>) {
        // A second one is ignored, as said.
        let _ = self.offers.set(offers);
    }

    pub(crate) async fn offered(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Answered, Fault> {
        let Some(offers) = self.offers.get() else {
            return Err(Fault::new(Code::NotFound, "This hub does not offer WebRTC"));
        };
        let OfferData { sdp } = parse(&frame)?;
        self.takes_clients()?;
        let from = cell.state.lock().link.as_ref().map(|carrier| (carrier.origin.clone(), carrier.remote));
        let (origin, remote) = from.unwrap_or_default();
        offers.answer(LinkInfo { origin, remote, ..LinkInfo::default() }, sdp).await
    }
}
