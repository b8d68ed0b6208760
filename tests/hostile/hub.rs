//! The hub as a process, seen from outside.

use crate::wire::Answer;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

pub(crate) struct Hub {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Hub {
    /// A hub with these settings, `key=value`.
    pub(crate) fn start(settings: &[&str]) -> Hub {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.current_dir(std::env::temp_dir()).env_clear();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error"]);
        command.args(settings.iter().flat_map(|s| ["--set", s]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap();
        let addr = url.trim_start_matches("http://").trim_end_matches('/');
        Hub { addr: addr.parse().unwrap_or_else(|_| panic!("{line}")), child }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Resident memory, KiB.
    pub(crate) fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("it lives");
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until it has no more memory than this, KiB.
    pub(crate) async fn returns_memory(&self, max: u64) {
        for _ in 0..3_000 {
            if self.rss() <= max {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} KiB", self.rss())
    }

    /// Files, sockets among them.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Waits until it has no more files than this.
    pub(crate) async fn fewer_files(&self, max: usize) {
        for _ in 0..1_500 {
            if self.files() <= max {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} files", self.files())
    }

    pub(crate) async fn metrics(&self) -> BTreeMap<String, u64> {
        let answer = Answer::of(self.addr, "GET", "/metrics", &[], b"").await;
        assert_eq!(answer.status, 200);
        let lines = answer.body.lines().filter(|l| !l.starts_with('#'));
        lines
            .filter_map(|l| l.rsplit_once(' ').map(|(k, v)| (k.into(), v.parse::<f64>().unwrap() as u64)))
            .collect()
    }

    /// Waits until a metric, without `crosspoint_`, is so.
    pub(crate) async fn metric(&self, name: &str, so: impl Fn(u64) -> bool) -> u64 {
        let name = format!("crosspoint_{name}");
        let mut last = None;
        for _ in 0..1_500 {
            let value = self.metrics().await[&name];
            if so(value) {
                return value;
            }
            last = Some(value);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} is {last:?}")
    }
}
