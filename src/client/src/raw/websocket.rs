use super::WITHIN;
use crate::link::{Socket, message, open_socket, socket_fault};
use crate::net::{Address, Tls};
use bytes::Bytes;
use crosspoint_core::client::Welcome;
use crosspoint_core::{Code, Fault, Frame};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio_tungstenite::tungstenite::Message;

/// One WebSocket. Dropping it cuts the connection without a close frame.
pub struct WsLink {
    socket: Socket,
}

impl WsLink {
    /// Opens `ws://…/ws` (or `http://…/ws`), with the subprotocol `crosspoint.v1`.
    ///
    /// # Errors
    /// The upgrade failed or was refused.
    pub async fn open(url: &str) -> Result<WsLink, Fault> {
        let offer =
            (HeaderName::from_static("sec-websocket-protocol"), HeaderValue::from_static("crosspoint.v1"));
        WsLink::open_with(url, &[offer]).await
    }

    /// Opens it with these request headers and no subprotocol but theirs.
    ///
    /// # Errors
    /// The upgrade failed or was refused.
    pub async fn open_with(url: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<WsLink, Fault> {
        let socket = open_socket(&Address::parse(url)?, &Tls::new(vec![]), headers, WITHIN).await?;
        Ok(WsLink { socket })
    }

    /// Says hello with this data and reads until the welcome.
    ///
    /// # Errors
    /// The fault of a `hub:close`; `bad_frame` if something else comes first; as [`WsLink::recv`].
    pub async fn hello(&mut self, data: &impl Serialize) -> Result<Welcome, Fault> {
        self.send(&Frame::with("hub:hello", data)).await?;
        let frame = self.recv().await?.ok_or_else(|| Fault::new(Code::Unavailable, "the WebSocket ended"))?;
        super::sse::welcome_in(&frame)
    }

    /// Sends a frame; a payload goes as a binary message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), Fault> {
        self.send_message(message(frame)).await
    }

    /// Sends a text message that may be no frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_text(&mut self, text: &str) -> Result<(), Fault> {
        self.send_message(Message::text(text)).await
    }

    /// Sends a binary message that may be no frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), Fault> {
        self.send_message(Message::Binary(bytes.into())).await
    }

    /// Sends any message, close frames included.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_message(&mut self, message: Message) -> Result<(), Fault> {
        self.socket.send(message).await.map_err(socket_fault)
    }

    /// The next frame, skipping pings and beats; `None` when the WebSocket was closed. Cancel safe, without a deadline.
    ///
    /// # Errors
    /// The connection broke, or a message is no frame.
    pub async fn recv(&mut self) -> Result<Option<Frame>, Fault> {
        let bad = |e: crosspoint_core::FrameError| Fault::new(Code::BadFrame, e.to_string());
        loop {
            return match self.message().await? {
                Some(Message::Text(text)) if text.as_bytes() == Frame::BEAT => continue,
                Some(Message::Text(text)) => Frame::decode_text(text.as_bytes()).map(Some).map_err(bad),
                Some(Message::Binary(bytes)) => Frame::decode_binary(&bytes).map(Some).map_err(bad),
                Some(Message::Close(_)) | None => Ok(None),
                Some(_) => continue,
            };
        }
    }

    /// The next message of any kind; `None` at the end. Pings are answered with the next read or write. Cancel safe, without a
    /// deadline.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn message(&mut self) -> Result<Option<Message>, Fault> {
        self.socket.next().await.transpose().map_err(socket_fault)
    }

    /// Closes with a close frame, without waiting for the other end's.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn close(mut self) -> Result<(), Fault> {
        self.socket.close(None).await.map_err(socket_fault)
    }
}
