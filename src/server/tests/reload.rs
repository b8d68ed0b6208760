//! The binary at SIGHUP: it looks at its certificate, goes on with the old one where the new one is no good, and tells no secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

struct Hub {
    child: Child,
    dir: PathBuf,
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Hub {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

#[test]
fn a_certificate_that_is_no_good_is_complained_about_without_its_key() {
    let dir = std::env::temp_dir().join(format!("crosspoint-reload-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let (cert, key) = (dir.join("crt"), dir.join("key"));
    let pair = || generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let CertifiedKey { cert: first, signing_key } = pair();
    std::fs::write(&cert, first.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crosspoint"));
    command.current_dir(&dir).env_clear().args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "crt",
        "--tls-key",
        "key",
    ]);
    command.args(["--log-level", "trace", "--set", "shutdown.drain_ms=0"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut hub = Hub { child, dir };
    let mut line = String::new();
    BufReader::new(hub.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("https://127.0.0.1:"), "{line}");
    let mut log = BufReader::new(hub.child.stderr.take().unwrap());
    let mut told = String::new();
    let mut until = |words: &str| {
        let from = told.len();
        while !told[from..].contains(words) {
            assert!(log.read_line(&mut told).unwrap() > 0, "it ended before {words}:\n{told}");
        }
    };
    let stranger = pair().signing_key.serialize_pem();
    std::fs::write(&key, &stranger).unwrap();
    hub.signal("-HUP");
    until("the certificate stays as it is");
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    hub.signal("-HUP");
    until("a new certificate is in force");
    hub.signal("-TERM");
    log.read_to_string(&mut told).unwrap();
    assert!(hub.child.wait().unwrap().success());
    assert!(told.contains("do not go together"), "{told}");
    let lines =
        |pem: &str| pem.lines().filter(|l| !l.contains("-----")).map(String::from).collect::<Vec<_>>();
    for secret in [lines(&stranger), lines(&signing_key.serialize_pem())].concat() {
        assert!(!told.contains(&secret), "a key is in the log");
    }
}
