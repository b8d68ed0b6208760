use super::got::Got;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderName;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The send half of a WebSocket.
pub(crate) struct Ws(SplitSink<WebSocketStream<TcpStream>, Message>);

/// The other half.
pub(crate) struct WsReader(SplitStream<WebSocketStream<TcpStream>>);

/// What came.
pub(crate) enum Came {
    Frame(Got),
    /// The end, with the close code if there was one.
    End(Option<u16>),
}

impl Ws {
    /// Opens `/ws` with this query; the status if that is refused.
    pub(crate) async fn open(
        addr: SocketAddr,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Ws, WsReader), u16> {
        let mut request = format!("ws://{addr}/ws{query}").into_client_request().unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => {
                let (sink, stream) = socket.split();
                Ok((Ws(sink), WsReader(stream)))
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(e) => panic!("{e}"),
        }
    }

    /// Sends a text; a connection that is gone shows in the reader.
    pub(crate) async fn text(&mut self, text: String) {
        let _ = self.0.send(Message::text(text)).await;
    }

    pub(crate) async fn binary(&mut self, bytes: impl Into<Bytes>) {
        let _ = self.0.send(Message::Binary(bytes.into())).await;
    }
}

impl WsReader {
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            return match self.0.next().await {
                Some(Ok(Message::Text(text))) => Came::Frame(Got::text(text.as_bytes())),
                Some(Ok(Message::Binary(bytes))) => Came::Frame(Got::binary(&bytes)),
                Some(Ok(Message::Close(close))) => {
                    // Reading on is what sends the answer.
                    while let Some(Ok(_)) = self.0.next().await {}
                    Came::End(close.map(|c| c.code.into()))
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Came::End(None),
            };
        }
    }
}
