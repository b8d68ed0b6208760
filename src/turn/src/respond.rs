//! Answers (RFC 8489 §6.3).

use crate::message::Message;
use std::net::SocketAddr;
use std::time::Duration;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM};
use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{Message as Building, MessageType, Setter};
use stun::textattrs::TextAttribute;
use stun::uattrs::UnknownAttributes;
use stun::xoraddr::XorMappedAddress;
use turn::proto::lifetime::Lifetime;
use turn::proto::relayaddr::RelayedAddress;

/// The bits of a success response and of an error response (RFC 8489 §5).
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

/// What an answer says.
pub(crate) enum Answer {
    /// Nothing but that it is done.
    Done,
    /// A client's address as it is seen from here.
    Mapped(SocketAddr),
    /// An allocation.
    Allocated { relayed: SocketAddr, mapped: SocketAddr, lifetime: Duration },
    /// How long an allocation lives on.
    Refreshed(Duration),
    /// An error.
    Failed(ErrorCode),
    /// 420, with what was not understood.
    Unknown(Vec<u16>),
    /// 401 or 438, with what to say next time.
    Challenge { code: ErrorCode, realm: String, nonce: String },
}

/// The bytes of an answer to this request, signed with the key (of RFC 8489 §9.2.2) if there is one.
pub(crate) fn encode(request: &Message<'_>, answer: Answer, key: Option<&[u8]>) -> Vec<u8> {
    let (class, mut attributes) = attributes(answer);
    if let Some(key) = key {
        attributes.push(Box::new(MessageIntegrity(key.to_vec())));
    }
    if request.has_fingerprint {
        attributes.push(Box::new(FINGERPRINT));
    }
    let mut kind = MessageType::default();
    kind.read_value(request.kind | class);
    let mut out = Building::new();
    let mut head: Vec<Box<dyn Setter>> = vec![Box::new(TransactionId(request.transaction)), Box::new(kind)];
    head.append(&mut attributes);
    // Fails for texts that are too long, of which there are none.
    match out.build(&head) {
        Ok(()) => out.raw,
        Err(_) => vec![],
    }
}

fn attributes(answer: Answer) -> (u16, Vec<Box<dyn Setter>>) {
    let mapped = |addr: SocketAddr| XorMappedAddress { ip: addr.ip().to_canonical(), port: addr.port() };
    let failed = |code| Box::new(ErrorCodeAttribute { code, reason: reason(code).into() });
    match answer {
        Answer::Done => (SUCCESS, vec![]),
        Answer::Mapped(addr) => (SUCCESS, vec![Box::new(mapped(addr))]),
        Answer::Allocated { relayed, mapped: addr, lifetime } => {
            let relayed = RelayedAddress { ip: relayed.ip(), port: relayed.port() };
            (SUCCESS, vec![Box::new(relayed), Box::new(Lifetime(lifetime)), Box::new(mapped(addr))])
        }
        Answer::Refreshed(lifetime) => (SUCCESS, vec![Box::new(Lifetime(lifetime))]),
        Answer::Failed(code) => (ERROR, vec![failed(code)]),
        Answer::Unknown(kinds) => {
            let kinds = kinds.into_iter().map(stun::attributes::AttrType).collect();
            let code = stun::error_code::CODE_UNKNOWN_ATTRIBUTE;
            (ERROR, vec![failed(code), Box::new(UnknownAttributes(kinds))])
        }
        Answer::Challenge { code, realm, nonce } => {
            let text = |attr, text| Box::new(TextAttribute { attr, text });
            (ERROR, vec![failed(code), text(ATTR_REALM, realm), text(ATTR_NONCE, nonce)])
        }
    }
}

/// The reason phrases of RFC 8489 §18.3 and RFC 8656 §19.
fn reason(code: ErrorCode) -> &'static str {
    match code.0 {
        400 => "Bad Request",
        401 => "Unauthenticated",
        403 => "Forbidden",
        420 => "Unknown Attribute",
        437 => "Allocation Mismatch",
        438 => "Stale Nonce",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        486 => "Allocation Quota Reached",
        508 => "Insufficient Capacity",
        _ => "Error",
    }
}
