//! Clients that don't read.

use crate::everywhere;
use crate::support::*;
use crosspoint_core::Code;
use crosspoint_sse::Config;
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;

const FRAMES: usize = 4_000;
const FRAME_BYTES: usize = 1_024;
/// What may be under way: the queue, hyper's buffer for a stream of HTTP/2, the kernel's and the client's buffers.
const UNDER_WAY: usize = 1 << 20;

everywhere! {
    async fn what_a_client_does_not_read_stays_with_its_session(client, server) {
        let mut events = client.open(&json!([{"type": "hub:hello"}])).await;
        events.expect("hub:welcome").await;
        let peer = server.hub.peer(0).await;
        let filler = "x".repeat(FRAME_BYTES);
        for n in 0..FRAMES {
            peer.say("m", &json!([n, filler]));
        }
        for n in 0..FRAMES {
            let ahead = peer.taken.load(SeqCst) - n;
            assert!(ahead * FRAME_BYTES < UNDER_WAY, "{ahead} frames after {n}");
            assert_eq!(events.expect("m").await["data"][0], n);
        }
        assert!(peer.writable.load(SeqCst) > 1);
        // On a socket of its own each block is a chunk; they are joined in the system call.
        assert!(server.driver == Driver::Http1 || events.chunks < FRAMES, "frames that wait are joined");
    }

    async fn a_frame_larger_than_the_queue_passes(client, server) {
        let mut events = client.open(&json!([{"type": "hub:hello"}])).await;
        events.expect("hub:welcome").await;
        let large = "x".repeat(600 << 10);
        for n in 0..3 {
            server.hub.peer(0).await.say("m", &json!([n, large]));
        }
        for n in 0..3 {
            let frame = events.expect("m").await;
            assert_eq!((&frame["data"][0], frame["data"][1].as_str().map(str::len)), (&json!(n), Some(600 << 10)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_its_end_does_not_keep_the_link() {
    let server = serve_with(Driver::Http1, Config { close_ms: 20, ..config() }).await;
    let client = Client::http1(server.addr);
    let _events = client.open(&json!([{"type": "hub:hello"}])).await;
    let peer = server.hub.peer(0).await;
    let filler = "x".repeat(FRAME_BYTES);
    for _ in 0..FRAMES {
        peer.say("m", &json!(filler));
    }
    peer.close(Code::SlowConsumer);
    peer.gone().await;
    assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
}
