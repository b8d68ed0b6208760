//! Bodies: the front's response body, and reading a request's within bounds.

use bytes::Bytes;
use crosspoint_core::{Code, Fault};
use crosspoint_sse::SseBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a response carries.
pub(crate) enum Body {
    /// All of it, or nothing.
    Whole(Option<Bytes>),
    /// What the SSE transport sends.
    Sse(SseBody),
}

impl Body {
    pub(crate) fn empty() -> Body {
        Body::Whole(None)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::Whole(Some(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Body::Sse(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_none(),
            Body::Sse(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Body::Sse(body) => body.size_hint(),
        }
    }
}

/// Reads a request's body.
///
/// # Errors
/// `frame_too_large`, or `bad_request` when it breaks off.
pub(crate) async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, Fault> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Fault::new(Code::FrameTooLarge, format!("The body may have {bytes_max} bytes")))
        }
        Err(_) => Err(Fault::new(Code::BadRequest, "The body broke off")),
    }
}
