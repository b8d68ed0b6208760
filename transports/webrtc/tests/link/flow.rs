use crate::support::client::Client;
use crate::support::hub::{Seen, Server, text};
use std::sync::atomic::Ordering::Relaxed;

#[tokio::test]
async fn what_the_hub_does_not_take_waits_and_then_comes_in_order() {
    let mut server = Server::start(false);
    let client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    link.set_waits(true);
    let body = "x".repeat(10_000);
    let sending = async {
        for n in 0..400 {
            client.send_text(&format!("{n}:{body}")).await;
        }
    };
    let taking = async {
        assert!(matches!(link.seen().await, Seen::Text(first) if first.starts_with("0:")));
        // One at a time, and then as they come.
        link.set_waits(false);
        for n in 1..400 {
            let Seen::Text(next) = link.seen().await else { panic!("a text") };
            assert!(next.starts_with(&format!("{n}:")), "{n}");
        }
    };
    tokio::join!(sending, taking);
}

#[tokio::test]
async fn a_link_takes_so_much_and_tells_of_room() {
    let mut server = Server::start(false);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let frame = |n: usize| text(&format!("{n}:{}", "x".repeat(10_000)));
    let sent = (0..).take_while(|n| link.send([frame(*n)]) == 0).count();
    assert!(sent <= 8, "64 KiB wait at most before the task has taken any: {sent}");
    link.send((sent + 1..500).map(frame));
    for n in 0..500 {
        assert!(client.text().await.contains(&format!("\"{n}:")), "{n}");
    }
    link.until(Seen::Writable).await;
}

#[tokio::test]
async fn a_sign_of_life_is_whatever_came() {
    let mut server = Server::start(false);
    let client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    link.sender.probe();
    link.until(Seen::Alive).await;
    client.send_text("{}").await;
    link.until(Seen::Text("{}".into())).await;
    link.sender.probe();
    link.until(Seen::Alive).await;
    assert!(server.endpoint.counters().packets_in.load(Relaxed) > 0);
}
