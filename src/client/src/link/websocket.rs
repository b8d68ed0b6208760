//! RFC 6455, one frame per message.

use super::{Context, LinkEvent, Outbox, Outgoing};
use crate::net::{Address, Io, Tls, dial, fault_of};
use crosspoint_core::{Code, Fault, Frame, Retry};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::{HeaderName, HeaderValue};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Clients are many in tests and benches: the default buffer would cost 128 KiB each.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// Frames that go into one write.
const BATCH_FRAMES: usize = 64;
/// How long the other end's close frame is waited for.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

pub(crate) type Socket = WebSocketStream<Io>;

/// Connects and upgrades, within this time.
pub(crate) async fn open_socket(
    address: &Address,
    tls: &Tls,
    headers: &[(HeaderName, HeaderValue)],
    within: Duration,
) -> Result<Socket, Fault> {
    let url = format!("{}://{}{}", if address.tls { "wss" } else { "ws" }, address.authority(), address.path);
    let mut request = url.into_client_request().map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
    request.headers_mut().extend(headers.iter().cloned());
    let io = dial(address, tls, within).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match tokio::time::timeout(within, client_async_with_config(request, io, Some(config))).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(fault(error)),
        Err(_) => Err(Fault::new(Code::Timeout, "the WebSocket handshake was not answered in time")),
    }
}

pub(super) async fn run(context: &Context, outbox: Outbox) -> Result<(), Fault> {
    let offer =
        (HeaderName::from_static("sec-websocket-protocol"), HeaderValue::from_static("crosspoint.v1"));
    let opened = open_socket(&context.address, &context.tls, &[offer], context.within).await;
    let (sink, messages) = opened.map_err(refused)?.split();
    // Both go on whatever the other waits for, or two full directions would block each other.
    let mut reading = pin!(read(context, messages));
    let sent = tokio::select! {
        fault = &mut reading => return Err(fault),
        sent = write(context, sink, outbox) => sent,
    };
    match (sent, tokio::time::timeout(GOODBYE_WITHIN, reading).await) {
        (Ok(()), _) => Ok(()),
        // Why a write failed is often said by what can still be read.
        (Err(_), Ok(fault)) | (Err(fault), Err(_)) => Err(fault),
    }
}

/// Without a hello a refusal is about the way, not about who comes; other ways may do. Only an origin is one everywhere.
fn refused(fault: Fault) -> Fault {
    let retry = if fault.code == Code::BadOrigin { fault.retry } else { Retry::Backoff };
    // A proxy that has no room says nothing about the hub.
    let retry_after_ms = fault.retry_after_ms.filter(|_| fault.code == Code::Shutdown);
    Fault { retry, retry_after_ms, ..fault }
}

async fn read(context: &Context, mut messages: impl Stream<Item = Result<Message, Error>> + Unpin) -> Fault {
    loop {
        let (frame, bytes) = match messages.next().await {
            Some(Ok(Message::Text(text))) if text.as_bytes() == Frame::BEAT => {
                context.tell(LinkEvent::Beat).await;
                continue;
            }
            Some(Ok(Message::Text(text))) => (Frame::decode_text(text.as_bytes()), text.len()),
            Some(Ok(Message::Binary(bytes))) => (Frame::decode_binary(&bytes), bytes.len()),
            Some(Ok(Message::Close(close))) => return closed(close),
            Some(Ok(_)) => continue,
            Some(Err(error)) => return fault(error),
            None => return Fault::new(Code::Unavailable, "the WebSocket ended"),
        };
        match frame {
            Ok(frame) => context.tell(LinkEvent::Frame(Box::new(frame), bytes)).await,
            // Its place in the count is lost with it; the next link repeats it.
            Err(error) => {
                return Fault { retry: Retry::Backoff, ..Fault::new(Code::BadFrame, error.to_string()) };
            }
        }
    }
}

/// Returns when the outbox is closed and all that was in it is sent.
async fn write(
    context: &Context,
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut outbox: Outbox,
) -> Result<(), Fault> {
    if context.probe {
        let ping = Frame::with("hub:ping", &json!({"received": 0}));
        sink.send(message(&ping)).await.map_err(fault)?;
    }
    while let Some(next) = outbox.recv().await {
        sink.feed(outgoing(&next)).await.map_err(fault)?;
        for _ in 1..BATCH_FRAMES {
            let Ok(next) = outbox.try_recv() else { break };
            sink.feed(outgoing(&next)).await.map_err(fault)?;
        }
        sink.flush().await.map_err(fault)?;
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    sink.send(Message::Close(Some(close))).await.map_err(fault)
}

fn outgoing(next: &Outgoing) -> Message {
    match next {
        Outgoing::Frame(next) => message(&next.frame),
        Outgoing::Beat(_) => Message::Text(Utf8Bytes::from_static("{}")),
    }
}

/// A frame as one message.
pub(crate) fn message(frame: &Frame) -> Message {
    match frame.encode_binary() {
        Some(bytes) => Message::Binary(bytes),
        None => Message::Text(frame.encode_text().into()),
    }
}

/// What the other end's close frame means, where no `hub:close` said it better.
fn closed(close: Option<CloseFrame>) -> Fault {
    let Some(CloseFrame { code, reason }) = close else {
        return Fault::new(Code::Unavailable, "the WebSocket closed without a code");
    };
    let number = u16::from(code);
    let reason =
        if reason.is_empty() { format!("the WebSocket closed ({number})") } else { reason.to_string() };
    match Code::from_close(number) {
        // A plain goodbye that we didn't ask for is a loss.
        Some(Code::Bye) | None => Fault::new(Code::Unavailable, reason),
        Some(code) => Fault::new(code, reason),
    }
}

/// What an error of the WebSocket means.
pub(crate) fn fault(error: Error) -> Fault {
    match error {
        Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            fault_of(response.status(), response.headers(), body)
        }
        other => Fault::new(Code::Unavailable, format!("WebSocket: {other}")),
    }
}
