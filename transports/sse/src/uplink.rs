//! What POSTs bring up.

use crate::body::Refusal;
use crate::link::{Link, Secret, Step, Upward};
use crate::poll;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// The body that opens a link.
#[derive(Deserialize)]
pub(crate) struct Opening<'a> {
    #[serde(default)]
    pub(crate) mode: Want,
    #[serde(borrow, default)]
    frames: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Want {
    #[default]
    Stream,
    Poll,
}

/// The body of an uplink POST.
#[derive(Deserialize)]
pub(crate) struct Post<'a> {
    key: String,
    start: Option<u64>,
    #[serde(borrow, default)]
    frames: Vec<&'a RawValue>,
    pub(crate) poll: Option<poll::Ask>,
}

/// Frames with their numbers, ready to be handed over.
pub(crate) struct Numbered {
    frames: Vec<Upward>,
    /// The numbers of the first and the last counted one.
    span: Option<(u64, u64)>,
}

/// What became of them.
pub(crate) struct Applied {
    pub(crate) received: u64,
    /// The hub closed the link.
    pub(crate) stopped: bool,
}

/// Numbers beyond are not exact in every client.
const START_MAX: u64 = 1 << 53;

pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|e| Fault::new(Code::BadRequest, format!("the body: {e}")))
}

impl Opening<'_> {
    pub(crate) fn number(&self, body: &Bytes, frame_bytes_max: usize) -> Result<Numbered, Fault> {
        Numbered::new(&self.frames, body, Some(1), frame_bytes_max)
    }
}

impl Post<'_> {
    pub(crate) fn says_bye(&self) -> bool {
        let is_bye = |raw: &&RawValue| {
            Frame::decode_text(raw.get().as_bytes()).is_ok_and(|frame| frame.kind == "hub:bye")
        };
        self.frames.iter().any(is_bye)
    }

    pub(crate) fn key(&self) -> Option<Secret> {
        from_hex(&self.key)
    }

    pub(crate) fn number(&self, body: &Bytes, frame_bytes_max: usize) -> Result<Numbered, Fault> {
        Numbered::new(&self.frames, body, self.start, frame_bytes_max)
    }
}

impl Numbered {
    fn new(raw: &[&RawValue], body: &Bytes, start: Option<u64>, max: usize) -> Result<Numbered, Fault> {
        if start.is_some_and(|s| s == 0 || s > START_MAX) {
            return Err(Fault::new(Code::BadRequest, "`start` counts from 1"));
        }
        let mut frames = Vec::with_capacity(raw.len());
        let mut span = None;
        for raw in raw {
            let text = body.slice_ref(raw.get().as_bytes());
            if text.len() > max {
                return Err(Fault::new(Code::FrameTooLarge, format!("a frame may have {max} bytes")));
            }
            if *text == *Frame::BEAT {
                continue;
            }
            // What is not a frame counts, as on every transport.
            let frame = Frame::decode_text(&text);
            let counted = frame.as_ref().map_or(true, Frame::counted);
            let seq = if counted {
                let first = span.map_or(start, |(first, _)| Some(first));
                let Some(first) = first else {
                    return Err(Fault::new(Code::BadRequest, "`start` is missing: there are counted frames"));
                };
                let seq = span.map_or(first, |(_, last)| last + 1);
                span = Some((first, seq));
                Some(seq)
            } else {
                None
            };
            frames.push(Upward { seq, text, hello: frame.is_ok_and(|f| f.kind == "hub:hello") });
        }
        Ok(Numbered { frames, span })
    }

    /// Hands the frames over in order; one turn for all of them.
    pub(crate) async fn apply(self, link: &Link) -> Result<Applied, Refusal> {
        self.check_order(link)?;
        let turn = Turn(link);
        let mut frames = self.frames.into_iter();
        loop {
            match link.receive(&mut frames) {
                Step::Done(received) => {
                    let Some(greeted) = link.greeted() else {
                        return Ok(Applied { received, stopped: false });
                    };
                    wait(link, greeted).await?;
                    link.resume();
                    let received = link.received().unwrap_or(received);
                    return Ok(Applied { received, stopped: link.fault().is_some() });
                }
                Step::Stop(received) => return Ok(Applied { received, stopped: true }),
                Step::Gone => return Err(Code::NotFound.into()),
                Step::Yield => {
                    // It may go on on another thread.
                    turn.0.turn();
                    tokio::task::yield_now().await;
                }
                Step::Wait(ready) => {
                    turn.0.turn();
                    wait(link, ready).await?;
                    link.resume();
                }
            }
        }
    }

    /// Frames that the session could not keep until the missing ones come are not handed over at all.
    fn check_order(&self, link: &Link) -> Result<(), Refusal> {
        let Some((first, last)) = self.span else { return Ok(()) };
        let received = link.received().ok_or(Code::NotFound)?;
        let furthest = received + 1 + link.shared.config.reorder_frames_max as u64;
        if first > received + 1 && last > furthest {
            let fault = Fault::from(Code::OutOfOrder);
            return Err(Refusal { fault, received: Some(received) });
        }
        Ok(())
    }
}

async fn wait(link: &Link, ready: BoxFuture<'static, ()>) -> Result<(), Refusal> {
    let patience = Duration::from_millis(link.shared.config.inbox_ms);
    let busy = |_| Fault::new(Code::Timeout, "the session is busy; send these again");
    Ok(tokio::time::timeout(patience, ready).await.map_err(busy)?)
}

/// Ends the batch, also where the request is given up halfway.
struct Turn<'a>(&'a Link);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.turn();
    }
}

pub(crate) fn to_hex(secret: &Secret) -> String {
    secret.iter().fold(String::with_capacity(32), |mut out, b| {
        for nibble in [b >> 4, b & 15] {
            out.extend(char::from_digit(nibble.into(), 16));
        }
        out
    })
}

pub(crate) fn from_hex(text: &str) -> Option<Secret> {
    let digits = text.as_bytes();
    let mut secret = Secret::default();
    if digits.len() != 2 * secret.len() {
        return None;
    }
    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = (Vec<Option<u64>>, Option<(u64, u64)>);

    fn number(body: &str, max: usize) -> Result<Numbers, Code> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let post: Post = parse(&body).map_err(|f| f.code)?;
        let numbered = post.number(&body, max).map_err(|f| f.code)?;
        Ok((numbered.frames.into_iter().map(|f| f.seq).collect(), numbered.span))
    }

    #[test]
    fn counted_frames_are_numbered_from_start() {
        let frames = r#"[{"type":"hub:ack"},{"type":"m","room":"r"},{"type":"t","room":"r","volatile":true},7,
            {"type":"m","volatile":true,"room":5},{"type":"n","volatile":false,"to":"user:a"}]"#;
        assert_eq!(
            number(&format!(r#"{{"key":"k","start":5,"frames":{frames}}}"#), 99),
            Ok((vec![None, Some(5), None, Some(6), Some(7), Some(8)], Some((5, 8))))
        );
        assert_eq!(
            number(&format!(r#"{{"key":"k","frames":{frames}}}"#), 99),
            Err(Code::BadRequest),
            "no start"
        );
        assert_eq!(number(r#"{"key":"k","frames":[{"type":"hub:ping"},{}]}"#, 99), Ok((vec![None], None)));
        assert_eq!(number(r#"{"key":"k","start":0,"frames":[]}"#, 99), Err(Code::BadRequest));
        assert_eq!(number(r#"{"key":"k","start":1,"frames":["long"]}"#, 5), Err(Code::FrameTooLarge));
        assert_eq!(number(r#"{"frames":[]}"#, 5), Err(Code::BadRequest));
    }

    #[test]
    fn hex_there_and_back() {
        let secret: Secret = std::array::from_fn(|i| i as u8 * 17);
        assert_eq!(to_hex(&secret), "00112233445566778899aabbccddeeff");
        assert_eq!(from_hex(&to_hex(&secret)), Some(secret));
        assert_eq!(from_hex("00"), None);
        assert_eq!(from_hex("zz112233445566778899aabbccddeeff"), None);
    }
}
