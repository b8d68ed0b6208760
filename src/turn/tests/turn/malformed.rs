//! What is sent to it, by whomever, disturbs nobody.

use crate::raw::{Raw, any, build, code, peer, udp};
use crate::support::{client, issue, receive, receive_relayed, server, soon, turn};
use std::sync::atomic::Ordering::Relaxed;
use stun::message::*;
use tokio::net::UdpSocket;
use webrtc_util::Conn;

/// xorshift64*: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
}

fn spoil(dice: &mut Dice, mut raw: Vec<u8>) -> Vec<u8> {
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(raw.len().max(1)).min(raw.len().saturating_sub(1));
        match dice.below(6) {
            0 if !raw.is_empty() => raw[at] ^= 1 << dice.below(8),
            1 if !raw.is_empty() => raw[at] = dice.roll() as u8,
            2 => raw.truncate(at),
            3 => raw.extend((0..dice.below(40)).map(|_| dice.roll() as u8)),
            4 => raw.insert(at, dice.roll() as u8),
            // Lengths are what readers trust.
            _ if raw.len() > 3 => raw[2..4].copy_from_slice(&(dice.roll() as u16).to_be_bytes()),
            _ => {}
        }
    }
    raw.truncate(1400);
    raw
}

/// All that a client may say, with good credentials and without.
fn templates(raw: &Raw) -> Vec<Vec<u8>> {
    let number = || any(0x000C, &[0x40, 0, 0, 0]);
    let mut all = vec![
        raw.signed(METHOD_ALLOCATE, vec![udp()]).raw,
        raw.signed(METHOD_REFRESH, vec![]).raw,
        raw.signed(METHOD_CREATE_PERMISSION, vec![peer("127.0.0.2:9"), peer("1.1.1.1:9")]).raw,
        raw.signed(METHOD_CHANNEL_BIND, vec![number(), peer("127.0.0.2:9")]).raw,
        build(METHOD_ALLOCATE, CLASS_REQUEST, vec![udp(), any(0x0018, &[0]), any(0x0022, &[0; 8])]).raw,
        build(METHOD_BINDING, CLASS_REQUEST, vec![Box::new(stun::fingerprint::FINGERPRINT)]).raw,
        build(METHOD_SEND, CLASS_INDICATION, vec![peer("127.0.0.2:9"), any(0x0013, b"data")]).raw,
        build(METHOD_DATA, CLASS_SUCCESS_RESPONSE, vec![any(0x0013, b"data")]).raw,
        vec![0x40, 0, 0, 4, 1, 2, 3, 4],
        vec![],
    ];
    // A name, a realm and a nonce that are no text.
    let odd = vec![any(6, &[0xff; 9]), any(0x14, &[0xfe; 3]), any(0x15, &[0; 5]), any(8, &[0; 20])];
    all.push(build(METHOD_REFRESH, CLASS_REQUEST, odd).raw);
    all
}

#[tokio::test]
async fn spoilt_packets_disturb_nobody() {
    let server = server(Some(turn()));
    let client = client(&server, &issue("alice")).await;
    let relay = soon(client.allocate()).await.unwrap();
    let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let at = friend.local_addr().unwrap();
    let raw = Raw::new(&server, issue("mallory")).await;
    assert_eq!(raw.allocate().await, 0);
    assert_eq!(raw.permit("127.0.0.2:9").await, 0);
    let templates = templates(&raw);
    let mut dice = Dice(0x5eed);
    for round in 0..200u32 {
        for _ in 0..50 {
            let template = templates[dice.below(templates.len())].clone();
            raw.socket.send(&spoil(&mut dice, template)).await.unwrap();
        }
        // Whoever is well-behaved is served between them; this also paces the flood, so that the kernel drops none.
        soon(relay.send_to(&round.to_be_bytes(), at)).await.unwrap();
        let (data, from) = receive(&friend).await;
        assert_eq!(data, round.to_be_bytes());
        friend.send_to(&data, from).await.unwrap();
        assert_eq!(receive_relayed(&relay).await.0, data);
        while raw.socket.try_recv(&mut [0; 2048]).is_ok() {}
    }
    assert!(server.counters().malformed.load(Relaxed) > 1_000);
    assert!(server.counters().unauthorized.load(Relaxed) > 0);
    // Unless a spoilt refresh was still a good one that ended it, its allocation is there as well.
    assert!([0, 437].contains(&code(&raw.ask(METHOD_REFRESH, vec![]).await)));
    soon(client.send_binding_request()).await.unwrap();
}
