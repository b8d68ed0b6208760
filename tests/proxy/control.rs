//! The proxy as a process, driven over HTTP.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Client, Ended, UPGRADE};
use crate::upstream::Upstream;

struct Process {
    child: Child,
    listen: SocketAddr,
    control: SocketAddr,
}

impl Process {
    fn start(upstream: &Upstream) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fault-proxy"))
            .args(["--upstream", &upstream.address().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        Self { child, listen: address("listen"), control: address("control") }
    }

    async fn order(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut client = Client::connect(self.control).await;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}");
        client.send(format!("{head}\r\n\r\n{body}")).await;
        let (answer, _) = client.end().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let value = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        (head[9..12].parse().unwrap(), value)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn rules_log_and_cuts_over_http() {
    let upstream = Upstream::start().await;
    let proxy = Process::start(&upstream);
    let rules = json!({"down": {"delay_ms": 1}, "http": [
        {"match": {"upgrade": true, "times": 1}, "do": "silent_after_101"},
        {"match": {"method": "POST", "path": "/a", "every": 2}, "do": {"drop_response": {"with": "close"}}},
        {"match": {"path": "/b"}, "do": {"hold": {}}},
    ]});
    assert_eq!(proxy.order("PUT", "/rules", &rules).await.0, 204);
    let (status, set) = proxy.order("GET", "/rules", &Value::Null).await;
    assert_eq!((status, &set["http"][1]["do"]), (200, &json!({"drop_response": {"with": "close"}})));

    let mut client = Client::connect(proxy.listen).await;
    client.post("/a", "1").await;
    assert_eq!(client.answer().await.1, "1:1");
    client.post("/a", "2").await;
    assert_eq!(client.end().await, (String::new(), Ended::Closed));
    let mut socket = Client::connect(proxy.listen).await;
    socket.send(UPGRADE).await;
    socket.until("\r\n\r\n").await;

    let (_, log) = proxy.order("GET", "/log?after=1", &Value::Null).await;
    let log = log.as_array().unwrap();
    assert_eq!(log[0]["seq"], 2);
    let names: Vec<_> = log.iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert!(names.contains(&"response_dropped") && names.contains(&"upgraded"), "{names:?}");
    assert_eq!(proxy.order("GET", "/counters", &Value::Null).await.1["requests"], 3);

    let (_, open) = proxy.order("GET", "/connections", &Value::Null).await;
    assert_eq!((&open[0]["target"], &open[0]["upgraded"]), (&json!("/ws"), &json!(true)));
    let own = format!("/connections/{}/rules", open[0]["connection"]);
    assert_eq!(proxy.order("PUT", &own, &json!({"up": {"flow": "swallow"}})).await.0, 204);
    assert_eq!(proxy.order("DELETE", &own, &Value::Null).await.0, 204);
    assert_eq!(proxy.order("DELETE", "/connections/99/rules", &Value::Null).await.0, 404);
    let cut = json!({"select": {"upgraded": true}, "client": "reset", "upstream": "close"});
    assert_eq!(proxy.order("POST", "/cut", &cut).await, (200, json!({"cut": 1})));
    assert_eq!(socket.end().await.1, Ended::Reset);
    assert_eq!(proxy.order("PUT", "/upstream", &json!(upstream.address())).await.0, 204);
}

#[tokio::test]
async fn a_slip_in_a_rule_is_told() {
    let upstream = Upstream::start().await;
    let proxy = Process::start(&upstream);
    let (status, why) = proxy.order("PUT", "/rules", &json!({"dwon": {}})).await;
    assert_eq!(status, 400);
    assert!(why.as_str().unwrap().contains("unknown field `dwon`"), "{why}");
    assert_eq!(proxy.order("PUT", "/rules", &json!({"http": [{"do": "explode"}]})).await.0, 400);
    assert_eq!(proxy.order("GET", "/nothing", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn the_process_ends_with_its_parents_pipe() {
    let upstream = Upstream::start().await;
    let mut proxy = Process::start(&upstream);
    drop(proxy.child.stdin.take());
    assert!(proxy.child.wait().unwrap().success());
}
