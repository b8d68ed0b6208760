//! The examples of docs/hooks.md that verify signatures do so, with requests as the hub makes them.

use crate::asks::{ask, join, user};
use crate::backend::{Backend, Call, HOOK_SECRET, OLD_SECRET, hub, yes};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../../docs/hooks.md");

/// The first block of code under this heading.
fn example(heading: &str, language: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("### {heading}\n")).expect("the heading");
    let (_, code) = rest.split_once(&format!("```{language}\n")).expect("the block");
    code.split_once("\n```").expect("its end").0.to_string()
}

async fn recorded() -> Call {
    let backend = Backend::start(|_| yes()).await;
    let hub = hub(&backend, |c| c.hooks.secrets = vec![OLD_SECRET.into(), HOOK_SECRET.into()]).await;
    let mut ws = user(&hub, "älice").await;
    assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
    backend.to("/join").remove(0)
}

struct Program {
    run: &'static str,
    file: PathBuf,
}

impl Program {
    fn new(run: &'static str, name: &str, code: String) -> Program {
        let file = std::env::temp_dir().join(format!("crosspoint-{}-{name}", std::process::id()));
        std::fs::write(&file, code).unwrap();
        Program { run, file }
    }

    /// Whether it takes the request.
    fn takes(&self, secret: &str, headers: [&str; 3], body: &[u8]) -> bool {
        let mut child = Command::new(self.run)
            .arg(&self.file)
            .arg(secret)
            .args(headers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.run));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(body).unwrap();
        drop(stdin);
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        match std::str::from_utf8(&out.stdout).unwrap().trim() {
            "true" | "True" => true,
            "false" | "False" => false,
            other => panic!("{}: {other}", self.run),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn verifies(program: &Program) {
    let call = recorded().await;
    let header = |name: &str| call.headers[name].to_str().unwrap().to_string();
    let (id, at, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let good = [id.as_str(), &at, &signature];
    assert!(program.takes(HOOK_SECRET, good, &call.raw));
    assert!(program.takes(OLD_SECRET, good, &call.raw));

    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert!(!program.takes(other, good, &call.raw), "another secret");
    let mut changed = call.raw.to_vec();
    *changed.last_mut().unwrap() = b' ';
    assert!(!program.takes(HOOK_SECRET, good, &changed), "another body");
    assert!(!program.takes(HOOK_SECRET, ["msg_other", &at, &signature], &call.raw), "another id");
    let later = (at.parse::<u64>().unwrap() + 1).to_string();
    assert!(!program.takes(HOOK_SECRET, [&id, &later, &signature], &call.raw), "another time");
    for broken in ["", "v1", "v1,", "v1,AAAA", "v2,AAAA x"] {
        assert!(!program.takes(HOOK_SECRET, [&id, &at, broken], &call.raw), "{broken}");
    }
    // A good signature of long ago is somebody's replay.
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &HOOK_SECRET[6..]).unwrap();
    let sign = |at: &str| {
        let signed = [format!("{id}.{at}.").as_bytes(), &call.raw].concat();
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), &signed);
        format!("v1,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag))
    };
    assert!(program.takes(HOOK_SECRET, [&id, &later, &sign(&later)], &call.raw));
    let old = (at.parse::<u64>().unwrap() - 3_600).to_string();
    assert!(!program.takes(HOOK_SECRET, [&id, &old, &sign(&old)], &call.raw), "an old request");
}

#[tokio::test]
async fn the_node_example_verifies() {
    let main = r#"
import { readFileSync } from 'node:fs'
const [secret, id, timestamp, signature] = process.argv.slice(2)
const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
console.log(verify([secret], headers, readFileSync(0)))
"#;
    verifies(&Program::new("node", "verify.mjs", example("Node", "js") + main)).await;
}

#[tokio::test]
async fn the_python_example_verifies() {
    let main = r#"

import sys
secret, id, timestamp, signature = sys.argv[1:]
headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature}
print(verify([secret], headers, sys.stdin.buffer.read()))
"#;
    verifies(&Program::new("python3", "verify.py", example("Python", "python") + main)).await;
}
