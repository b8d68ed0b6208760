//! Request bodies, bounded in bytes and time.

use bytes::{Buf, Bytes, BytesMut};
use crosspoint_core::{Code, Fault};
use http_body::Body;
use http_body_util::BodyExt;
use std::pin::pin;
use std::time::Duration;

/// How many times the limit is read and thrown away, so that a client that is still sending gets to read its refusal.
const DISCARD: usize = 4;

/// Reads a body of at most `max` bytes, which must be complete `within` that time, else it fails with `slow`.
pub(crate) async fn collect<B: Body>(
    body: B,
    max: usize,
    within: Duration,
    slow: Code,
) -> Result<Bytes, Fault> {
    match tokio::time::timeout(within, read(body, max)).await {
        Ok(read) => read,
        Err(_) => {
            Err(Fault::new(slow, format!("the body was not complete within {} ms", within.as_millis())))
        }
    }
}

async fn read<B: Body>(body: B, max: usize) -> Result<Bytes, Fault> {
    let mut body = pin!(body);
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Fault::new(Code::BadRequest, "the body broke off"))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let len = data.remaining();
        total += len;
        if total > max {
            more = BytesMut::new();
            first = None;
            if total > max.saturating_mul(DISCARD) {
                break;
            }
            continue;
        }
        let data = data.copy_to_bytes(len);
        match (&first, more.is_empty()) {
            (None, true) => first = Some(data),
            (Some(head), true) => {
                more.extend_from_slice(head);
                more.extend_from_slice(&data);
            }
            _ => more.extend_from_slice(&data),
        }
    }
    if total > max {
        return Err(Fault::new(Code::FrameTooLarge, format!("a body may have {max} bytes")));
    }
    Ok(if more.is_empty() { first.unwrap_or_default() } else { more.freeze() })
}
