//! The socket alone: whatever the crate has permitted and asks for.

use super::*;
use crate::config::{Config, Quotas, Turn};
use turn::allocation::Allocation;
use turn::allocation::allocation_manager::{Manager, ManagerConfig};
use turn::allocation::permission::Permission;
use turn::proto::PROTO_UDP;

async fn socket(at: &str) -> UdpSocket {
    UdpSocket::bind(at).await.unwrap()
}

/// The crate's allocation on one of our sockets; of all loopback addresses only 127.0.0.2 is allowed.
async fn allocation(client: &UdpSocket) -> (Arc<Shared>, Arc<Relay>, Manager, Arc<Allocation>) {
    let turn = Turn {
        secret: vec![1; 16],
        public: vec!["127.0.0.1".parse().unwrap()],
        ports: 20_000..=60_000,
        allow_peers: vec!["127.0.0.2/32".parse().unwrap()],
        quotas: Quotas::default(),
    };
    let config = Config { address_requests_per_s: 1, turn: Some(turn) };
    let shared = Shared::new(config, "127.0.0.1".parse().unwrap(), &[0; 32]);
    let place = shared.turn.as_ref().unwrap().accounts.enter("alice", Instant::now()).unwrap();
    let (front, relay) = (socket("127.0.0.1:0").await, socket("127.0.0.1:0").await);
    let public = relay.local_addr().unwrap();
    let five_tuple = FiveTuple {
        protocol: PROTO_UDP,
        src_addr: client.local_addr().unwrap(),
        dst_addr: front.local_addr().unwrap(),
    };
    let (relay, inbox) = Relay::new(relay, public, place, five_tuple, &shared);
    shared.add_relay(public, inbox);
    let relay = Arc::new(relay);
    let generator = Box::new(Prepared(relay.clone()));
    let manager = Manager::new(ManagerConfig { relay_addr_generator: generator, alloc_close_notify: None });
    let life = Duration::from_secs(600);
    let made = manager.create_allocation(five_tuple, Arc::new(front), 0, life, Default::default(), true);
    let allocation = made.await.unwrap();
    (shared, relay, manager, allocation)
}

#[tokio::test]
async fn a_permission_of_the_crates_opens_nothing_by_itself() {
    let client = socket("127.0.0.1:0").await;
    let (shared, relay, _manager, allocation) = allocation(&client).await;
    let (enemy, friend) = (socket("127.0.0.3:0").await, socket("127.0.0.2:0").await);
    let now = Instant::now();
    assert_eq!(relay.admit("127.0.0.3".parse().unwrap(), now), Err(Refused::Denied));
    assert_eq!(relay.admit("127.0.0.2".parse().unwrap(), now), Ok(()));
    for peer in [&enemy, &friend] {
        let at = peer.local_addr().unwrap();
        allocation.add_permission(Permission::new(at)).await;
        assert_eq!(Conn::send_to(&*relay, b"out", at).await.unwrap(), 3);
        peer.send_to(b"in", relay.public).await.unwrap();
    }
    let mut buf = [0; 2048];
    friend.recv_from(&mut buf).await.unwrap();
    assert!(enemy.try_recv_from(&mut buf).is_err());
    // The client hears of the friend alone: a Data indication that names it.
    let (n, _) = client.recv_from(&mut buf).await.unwrap();
    let message = crate::message::Message::read(&buf[..n]).unwrap();
    assert_eq!(message.peers(), Some(vec![friend.local_addr().unwrap()]));
    assert!(client.try_recv_from(&mut buf).is_err());
    assert_eq!(shared.counters.peers_denied.load(Relaxed), 3);
}

#[tokio::test]
async fn datagrams_that_are_too_long_are_not_cut() {
    let client = socket("127.0.0.1:0").await;
    let (shared, relay, _manager, allocation) = allocation(&client).await;
    let friend = socket("127.0.0.2:0").await;
    relay.admit("127.0.0.2".parse().unwrap(), Instant::now()).unwrap();
    allocation.add_permission(Permission::new(friend.local_addr().unwrap())).await;
    for length in [DATAGRAM_BYTES_MAX + 1, 9_000, DATAGRAM_BYTES_MAX] {
        friend.send_to(&vec![7; length], relay.public).await.unwrap();
    }
    let mut buf = [0; 4096];
    let (n, _) = client.recv_from(&mut buf).await.unwrap();
    let message = crate::message::Message::read(&buf[..n]).unwrap();
    assert_eq!(message.get(crate::message::DATA).map(<[u8]>::len), Some(DATAGRAM_BYTES_MAX));
    assert_eq!(shared.counters.dropped.load(Relaxed), 2);
}
