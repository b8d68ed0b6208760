use super::WITHIN;
use crate::link::webtransport::{connect, message, open, put, split};
use crate::net::{Address, Tls};
use bytes::Bytes;
use crosspoint_core::client::Welcome;
use crosspoint_core::{Code, Fault, Frame};
use serde::Serialize;
use tokio::time::timeout;
use wtransport::endpoint::endpoint_side::Client;
use wtransport::{Connection, Endpoint, RecvStream, SendStream};

const READ_BYTES: usize = 16 << 10;

/// One WebTransport session with the stream that carries its link. Dropping it closes the connection.
pub struct WtLink {
    send: SendStream,
    receive: RecvStream,
    held: Vec<u8>,
    _connection: Connection,
    _endpoint: Endpoint<Client>,
}

impl WtLink {
    /// Opens `https://…/webtransport`, whose certificate has one of these SHA-256 (none: is one that the system trusts).
    ///
    /// # Errors
    /// There was no answer in time, or a refusal.
    pub async fn open(url: &str, certificate_hashes: &[[u8; 32]]) -> Result<WtLink, Fault> {
        let (address, tls) = (Address::parse(url)?, Tls::new(vec![]));
        let opening = async {
            let (endpoint, connection) = connect(&address, certificate_hashes, &tls).await?;
            let (send, receive) = open(&connection).await?;
            Ok(WtLink { send, receive, held: vec![], _connection: connection, _endpoint: endpoint })
        };
        timeout(WITHIN, opening).await.unwrap_or_else(|_| Err(Code::Timeout.into()))
    }

    /// Says hello with this data and reads until the welcome.
    ///
    /// # Errors
    /// The fault of a `hub:close`; `bad_frame` if something else comes first; as [`WtLink::recv`].
    pub async fn hello(&mut self, data: &impl Serialize) -> Result<Welcome, Fault> {
        self.send(&Frame::with("hub:hello", data)).await?;
        let frame = self.recv().await?.ok_or_else(|| Fault::new(Code::Unavailable, "the stream ended"))?;
        super::sse::welcome_in(&frame)
    }

    /// Sends a frame on the stream; a payload goes as a binary message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        put(frame, &mut bytes);
        self.write(&bytes).await
    }

    /// Sends a text message that may be no frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_text(&mut self, text: &str) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        message(false, text.as_bytes(), &mut bytes);
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.send.write_all(bytes).await.map_err(|e| Fault::new(Code::Unavailable, e.to_string()))
    }

    /// The next frame of the stream, skipping beats; `None` at its end. Cancel safe, without a deadline.
    ///
    /// # Errors
    /// The connection broke, or a message is no frame.
    pub async fn recv(&mut self) -> Result<Option<Frame>, Fault> {
        let mut piece = [0; READ_BYTES];
        loop {
            let mut rest = &self.held[..];
            if let Some((binary, body)) = split(&mut rest)? {
                let beat = body == Frame::BEAT;
                let frame = match binary {
                    true => Frame::decode_binary(&Bytes::copy_from_slice(body)),
                    false if beat => Ok(Frame::default()),
                    false => Frame::decode_text(body),
                };
                let taken = self.held.len() - rest.len();
                self.held.drain(..taken);
                if beat {
                    continue;
                }
                return frame.map(Some).map_err(|e| Fault::new(Code::BadFrame, e.to_string()));
            }
            match self.receive.read(&mut piece).await {
                Ok(Some(n)) => self.held.extend_from_slice(&piece[..n]),
                Ok(None) => return Ok(None),
                Err(e) => return Err(Fault::new(Code::Unavailable, e.to_string())),
            }
        }
    }
}
