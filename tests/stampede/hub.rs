//! The hub as a process that can be killed and started again at the same address.

use crosspoint_client::raw::request;
use http::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const ASKED_MAX: u32 = 20;

pub(crate) struct Hub {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Hub {
    /// A hub at this address with these settings, `key=value`.
    pub(crate) fn start(listen: &str, settings: &[String]) -> Hub {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.current_dir(std::env::temp_dir()).env_clear();
        command.args(["serve", "--listen", listen, "--log-level", "warn"]);
        command.args(settings.iter().flat_map(|s| ["--set", s]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().trim_end_matches('/').to_string();
        assert!(url.starts_with("http://"), "{line}");
        Hub { child, url }
    }

    pub(crate) fn addr(&self) -> String {
        self.url.trim_start_matches("http://").into()
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as an operator does, and waits until it has.
    pub(crate) fn terminate(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success());
    }

    async fn get(&self, path: &str) -> String {
        // On a machine that has much else to do an answer may take longer than a request may.
        for _ in 0..ASKED_MAX {
            if let Ok(answer) = request(Method::GET, &format!("{}{path}", self.url), &[], "").await {
                assert_eq!(answer.status, 200);
                return String::from_utf8(answer.body.to_vec()).unwrap();
            }
        }
        panic!("no answer")
    }

    /// A metric, without `crosspoint_`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await;
        let begin = format!("crosspoint_{name} ");
        let line =
            text.lines().find_map(|l| l.strip_prefix(&begin)).unwrap_or_else(|| panic!("{name}\n{text}"));
        line.parse::<f64>().unwrap() as u64
    }

    /// Sessions by room.
    pub(crate) async fn rooms(&self) -> BTreeMap<String, u64> {
        let (mut found, mut path) = (BTreeMap::new(), String::from("/api/v1/rooms?limit=1000"));
        loop {
            let page: Value = serde_json::from_str(&self.get(&path).await).unwrap();
            let rooms = page["rooms"].as_array().unwrap().iter();
            found
                .extend(rooms.map(|r| (r["room"].as_str().unwrap().into(), r["sessions"].as_u64().unwrap())));
            let Some(next) = page["next"].as_str() else { return found };
            path = format!("/api/v1/rooms?limit=1000&cursor={next}");
        }
    }
}
