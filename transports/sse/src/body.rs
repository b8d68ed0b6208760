//! Response bodies and answers.

use crate::http1::Handover;
use crate::sse::Opened;
use bytes::Bytes;
use crosspoint_core::{Code, Fault};
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of every answer: a JSON text of known length, or an event stream. Dropping a stream ends its link.
pub struct SseBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Stream(Streamed),
}

struct Streamed {
    blocks: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    /// Ends the link with the body, unless the connection has taken it over.
    opened: Option<Opened>,
    handover: Option<Handover>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if let Some(handover) = &self.handover {
            handover.withdraw();
        }
    }
}

impl SseBody {
    /// Passes the link on to the connection, if this is a stream.
    pub(crate) fn hand_over(&mut self, to: &Handover) -> Option<Opened> {
        let Inner::Stream(stream) = &mut self.0 else { return None };
        let opened = stream.opened.take()?;
        stream.handover = Some(to.clone());
        Some(opened)
    }
}

impl fmt::Debug for SseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Whole(_) => "SseBody::Whole",
            Inner::Stream(_) => "SseBody::Stream",
        })
    }
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Inner::Stream(stream) => {
                let next = stream.blocks.as_mut().poll_next(cx);
                if let Some(handover) = &stream.handover {
                    handover.asked(next.is_pending());
                }
                next.map(|b| b.map(|b| Ok(Frame::data(b))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

/// An event stream that no proxy may hold back, keep or rewrite.
pub(crate) fn stream(
    opened: Opened,
    blocks: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<SseBody> {
    let stream = Streamed { blocks: Box::pin(blocks), opened: Some(opened), handover: None };
    let mut response = Response::new(SseBody(Inner::Stream(stream)));
    head(&mut response, "text/event-stream");
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A JSON answer.
pub(crate) fn json(text: impl Into<Bytes>) -> Response<SseBody> {
    let mut response = Response::new(SseBody(Inner::Whole(Some(text.into()))));
    head(&mut response, "application/json");
    response
}

fn head(response: &mut Response<SseBody>, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// For `out_of_order`: from where to send.
    pub(crate) received: Option<u64>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal { fault, received: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Refusal {
        Refusal::from(Fault::from(code))
    }
}

impl Refusal {
    /// The status of the code's row and the fault as JSON.
    pub(crate) fn answer(&self) -> Response<SseBody> {
        #[derive(Serialize)]
        struct Answer<'a> {
            error: &'a Fault,
            #[serde(skip_serializing_if = "Option::is_none")]
            received: Option<u64>,
        }
        let answer = Answer { error: &self.fault, received: self.received };
        let mut response = json(serde_json::to_vec(&answer).unwrap_or_default());
        *response.status_mut() =
            StatusCode::from_u16(self.fault.code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(ms) = self.fault.retry_after_ms {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        response
    }
}
