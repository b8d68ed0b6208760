//! Events as backends write them.

use super::call::Call;
use crosspoint_core::frame::From;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Code, Fault, Frame};
use crosspoint_hub::Hub;

/// An event, from its JSON.
///
/// # Errors
/// `bad_request`, `frame_too_large`.
pub(super) fn event(call: &Call, text: &str) -> Result<Frame, Fault> {
    let bytes_max = call.app.hub.limits().frame_bytes_max;
    if text.len() > bytes_max {
        return Err(Fault::new(Code::FrameTooLarge, format!("An event may have {bytes_max} bytes")));
    }
    let frame =
        Frame::decode_text(text.as_bytes()).map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
    if frame.kind.starts_with("hub:") {
        return Err(Fault::new(Code::BadRequest, "Types that begin with hub: are the protocol's"));
    }
    Ok(frame)
}

/// An event for a room.
pub(super) fn draft(hub: &Hub, frame: Frame) -> Draft {
    Draft {
        named: frame.id.is_some(),
        from: sender(frame.from.as_ref()),
        id: frame.id.unwrap_or_else(|| hub.new_id()),
        kind: frame.kind,
        data: frame.data,
        payload: frame.payload,
        echo: true,
        volatile: frame.volatile,
    }
}

/// An event for users and sessions.
pub(super) fn direct(mut frame: Frame) -> Frame {
    frame.from = Some(sender(frame.from.as_ref()));
    (frame.room, frame.to, frame.request) = (None, None, None);
    frame
}

/// A backend may speak for a user, never for a session.
fn sender(from: Option<&From>) -> From {
    From { user: from.and_then(|f| f.user.clone()), ..From::default() }
}
