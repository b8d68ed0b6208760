//! A client that says what it is told to.

use crate::support::{DEADLINE, receive};
use crosspoint_turn::{Issued, Server};
use std::net::SocketAddr;
use stun::agent::TransactionId;
use stun::attributes::*;
use stun::error_code::ErrorCodeAttribute;
use stun::integrity::MessageIntegrity;
use stun::message::*;
use stun::textattrs::TextAttribute;
use tokio::net::UdpSocket;
use turn::proto::PROTO_UDP;
use turn::proto::peeraddr::PeerAddress;
use turn::proto::reqtrans::RequestedTransport;

pub(crate) struct Raw {
    pub(crate) socket: UdpSocket,
    pub(crate) nonce: String,
    pub(crate) realm: String,
    pub(crate) who: Issued,
}

pub(crate) fn udp() -> Box<dyn Setter> {
    Box::new(RequestedTransport { protocol: PROTO_UDP })
}

pub(crate) fn peer(address: &str) -> Box<dyn Setter> {
    let addr: SocketAddr = address.parse().unwrap();
    Box::new(PeerAddress { ip: addr.ip(), port: addr.port() })
}

/// Any attribute.
pub(crate) struct Any(pub(crate) u16, pub(crate) Vec<u8>);

impl Setter for Any {
    fn add_to(&self, m: &mut Message) -> Result<(), stun::Error> {
        m.add(AttrType(self.0), &self.1);
        Ok(())
    }
}

pub(crate) fn any(kind: u16, value: &[u8]) -> Box<dyn Setter> {
    Box::new(Any(kind, value.to_vec()))
}

pub(crate) fn build(method: Method, class: MessageClass, attributes: Vec<Box<dyn Setter>>) -> Message {
    let mut all: Vec<Box<dyn Setter>> =
        vec![Box::new(TransactionId::new()), Box::new(MessageType::new(method, class))];
    all.extend(attributes);
    let mut m = Message::new();
    m.build(&all).unwrap();
    m
}

/// The error in an answer; 0 if it is none.
pub(crate) fn code(answer: &Message) -> u16 {
    let mut error = ErrorCodeAttribute::default();
    if answer.typ.class == CLASS_SUCCESS_RESPONSE {
        return 0;
    }
    assert_eq!(answer.typ.class, CLASS_ERROR_RESPONSE);
    stun::message::Getter::get_from(&mut error, answer).unwrap();
    error.code.0
}

fn text(answer: &Message, attr: AttrType) -> Option<String> {
    TextAttribute::get_from_as(answer, attr).ok().map(|t| t.text)
}

impl Raw {
    pub(crate) async fn new(server: &Server, who: Issued) -> Raw {
        let any = if server.addr().is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).await.unwrap();
        socket.connect(server.addr()).await.unwrap();
        let mut raw = Raw { socket, nonce: String::new(), realm: String::new(), who };
        let answer = raw.exchange(&build(METHOD_ALLOCATE, CLASS_REQUEST, vec![udp()])).await;
        assert_eq!(code(&answer), 401);
        raw.learn(&answer);
        raw
    }

    pub(crate) fn learn(&mut self, answer: &Message) {
        self.nonce = text(answer, ATTR_NONCE).unwrap();
        self.realm = text(answer, ATTR_REALM).unwrap();
    }

    /// Sends a message and reads the answer to it.
    pub(crate) async fn exchange(&self, m: &Message) -> Message {
        self.socket.send(&m.raw).await.unwrap();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let (raw, _) = tokio::time::timeout_at(deadline, receive(&self.socket)).await.unwrap();
            let mut answer = Message { raw, ..Message::default() };
            if answer.decode().is_ok() && answer.transaction_id == m.transaction_id {
                return answer;
            }
        }
    }

    /// A request with credentials.
    pub(crate) fn signed(&self, method: Method, mut attributes: Vec<Box<dyn Setter>>) -> Message {
        let text = |attr, text: &str| Box::new(TextAttribute { attr, text: text.into() });
        attributes.push(text(ATTR_USERNAME, &self.who.username));
        attributes.push(text(ATTR_REALM, &self.realm));
        attributes.push(text(ATTR_NONCE, &self.nonce));
        let (name, realm, password) =
            (self.who.username.clone(), self.realm.clone(), self.who.credential.clone());
        attributes.push(Box::new(MessageIntegrity::new_long_term_integrity(name, realm, password)));
        build(method, CLASS_REQUEST, attributes)
    }

    pub(crate) async fn ask(&self, method: Method, attributes: Vec<Box<dyn Setter>>) -> Message {
        self.exchange(&self.signed(method, attributes)).await
    }

    /// Makes an allocation; the error's code, 0 if it was made.
    pub(crate) async fn allocate(&self) -> u16 {
        code(&self.ask(METHOD_ALLOCATE, vec![udp()]).await)
    }

    /// Whether datagrams of this peer may come; the error's code, 0 if so.
    pub(crate) async fn permit(&self, address: &str) -> u16 {
        code(&self.ask(METHOD_CREATE_PERMISSION, vec![peer(address)]).await)
    }
}

/// Where an answer says that the relay is.
pub(crate) fn relayed(answer: &Message) -> SocketAddr {
    let mut at = turn::proto::relayaddr::RelayedAddress::default();
    stun::message::Getter::get_from(&mut at, answer).unwrap();
    SocketAddr::new(at.ip, at.port)
}
