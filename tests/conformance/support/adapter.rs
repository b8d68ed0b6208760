use super::link::Link;
use super::within;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::{Value, json};

/// A way of carrying a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    WebSocket,
    /// An event stream and POSTs over HTTP/1.1.
    Stream,
    /// The same over one HTTP/2 connection.
    StreamH2,
    Poll,
    WebTransport,
    WebRtc,
}

/// How a hello or a message was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The HTTP status, or the close code of a transport that has them.
    pub(crate) status: u16,
    pub(crate) fault: Value,
}

impl Refused {
    /// Checks all that the table of codes says.
    #[track_caller]
    pub(crate) fn assert(&self, by: Adapter, code: Code) {
        let expected = if by.has_messages() { code.close() } else { code.http() };
        assert_eq!(self.fault["code"], code.name(), "{self:?}");
        assert_eq!(self.status, expected, "{self:?}");
        assert_eq!(self.fault["retry"], serde_json::to_value(code.retry()).unwrap());
        assert!(!self.fault["message"].as_str().unwrap().is_empty());
    }
}

/// A hello on an open hub.
pub(crate) fn hello(user: &str) -> Value {
    json!({"version": 1, "user": user})
}

impl Adapter {
    pub(crate) const ALL: [Adapter; 6] = [
        Adapter::WebSocket,
        Adapter::Stream,
        Adapter::StreamH2,
        Adapter::Poll,
        Adapter::WebTransport,
        Adapter::WebRtc,
    ];

    /// Whether frames go both ways on one connection, as text or bytes, and ends have codes.
    pub(crate) fn has_messages(self) -> bool {
        matches!(self, Adapter::WebSocket | Adapter::WebTransport | Adapter::WebRtc)
    }

    /// A link that has said nothing.
    pub(crate) async fn probe(self, hub: &Running) -> Link {
        Link::open(self, hub, &[], &[]).await.expect("a link")
    }

    /// A link whose hello has this data, and the welcome's data.
    pub(crate) async fn try_hello(self, hub: &Running, data: Value) -> Result<(Link, Value), Refused> {
        self.try_hello_with(hub, &[], data, vec![]).await
    }

    /// With these headers in the opening request, and these frames right behind the hello.
    pub(crate) async fn try_hello_with(
        self,
        hub: &Running,
        headers: &[(&str, &str)],
        data: Value,
        behind: Vec<Value>,
    ) -> Result<(Link, Value), Refused> {
        let mut frames = vec![json!({"type": "hub:hello", "data": data})];
        let sent = behind.len() as u64;
        frames.extend(behind);
        welcomed(Link::open(self, hub, headers, &frames).await?, &data, sent).await
    }

    /// The same beside another link of the client.
    pub(crate) async fn try_hello_beside(
        self,
        hub: &Running,
        main: &Link,
        data: Value,
    ) -> Result<(Link, Value), Refused> {
        let hello = json!({"type": "hub:hello", "data": data});
        welcomed(main.beside(self, hub, &[hello]).await?, &data, 0).await
    }

    pub(crate) async fn hello(self, hub: &Running, data: Value) -> (Link, Value) {
        self.try_hello(hub, data).await.expect("a welcome")
    }

    /// Waits until the hub has noticed that a link was cut, which left so many. Polls have no connection to notice.
    pub(crate) async fn cut(self, hub: &Running, left: u64) {
        if self != Adapter::Poll {
            super::stats(hub, |s| s.links == left).await;
        }
    }

    /// A user's link on an open hub.
    pub(crate) async fn user(self, hub: &Running, user: &str) -> Link {
        self.hello(hub, hello(user)).await.0
    }

    /// The same, in this room.
    pub(crate) async fn joined(self, hub: &Running, user: &str, room: &str) -> Link {
        let mut link = self.user(hub, user).await;
        link.join(room, json!({})).await;
        link
    }
}

/// Reads the answer to a link's hello, behind which so many frames were sent.
async fn welcomed(mut link: Link, data: &Value, sent: u64) -> Result<(Link, Value), Refused> {
    let received = data["received"].as_u64().unwrap_or(0);
    let first = within(link.next_any()).await;
    if first.kind() == "hub:close" {
        let close = link.end().await;
        return Err(Refused { status: close.unwrap_or(0), fault: first["data"].clone() });
    }
    assert_eq!(first.kind(), "hub:welcome");
    let welcome = first["data"].clone();
    link.received = welcome["start"].as_u64().unwrap() - 1;
    assert!(link.received >= received, "{welcome}");
    link.sent = welcome["received"].as_u64().unwrap() + sent;
    Ok((link, welcome))
}

/// A hello that goes on with the session of this welcome.
pub(crate) fn again(welcome: &Value, received: u64) -> Value {
    json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"], "received": received, "cause": "lost"})
}
