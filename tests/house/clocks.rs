//! The core calls no clock, no randomness, no threads, no sockets: `src/core/clippy.toml` forbids them, and
//! the lint stage (`cargo clippy … -D warnings`) holds the core to it. That the file bites is shown here every
//! time: clippy is run with it over a crate that does each forbidden thing once.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{files, name, top};

const SINS: [&str; 13] = [
    "std::thread::sleep(Default::default())",
    "std::thread::spawn(|| ())",
    "std::env::var(\"A\")",
    "std::env::var_os(\"A\")",
    "std::time::Instant::now()",
    "std::time::SystemTime::now()",
    "std::hash::RandomState::new()",
    "std::collections::HashMap::<u8, u8>::new()",
    "std::collections::HashSet::<u8>::new()",
    "std::net::TcpStream::connect(\"\")",
    "std::net::TcpListener::bind(\"\")",
    "std::net::UdpSocket::bind(\"\")",
    "std::fs::File::open(\"\")",
];

#[test]
fn the_cores_clippy_file_bites() {
    let probe = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clocks-probe");
    fs::create_dir_all(probe.join("src")).unwrap();
    let manifest =
        "[package]\nname = \"clocks-probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(probe.join("Cargo.toml"), manifest).unwrap();
    let body: String =
        SINS.iter().enumerate().map(|(i, sin)| format!("pub fn f{i}() {{ let _ = {sin}; }}\n")).collect();
    fs::write(probe.join("src/lib.rs"), body).unwrap();
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["clippy", "--offline", "--message-format", "short", "--", "-Dclippy::disallowed_methods"])
        .args(["-Dclippy::disallowed_types"])
        .current_dir(&probe)
        .env("CLIPPY_CONF_DIR", top().join("src/core"))
        .env("CARGO_TARGET_DIR", probe.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for (line, sin) in SINS.iter().enumerate() {
        let mark = format!("src/lib.rs:{}:", line + 1);
        assert!(
            said.lines().any(|text| text.starts_with(&mark) && text.contains("disallowed")),
            "{sin}: {said}"
        );
    }
}

#[test]
fn the_core_and_the_workspace_treat_tests_alike() {
    let keys = |path: &str| -> Vec<String> {
        let text = fs::read_to_string(top().join(path)).unwrap();
        text.lines().filter(|line| line.starts_with("allow-")).map(str::to_owned).collect()
    };
    assert_eq!(keys("src/core/clippy.toml"), keys("clippy.toml"));
}

#[test]
fn nothing_in_the_core_is_excused() {
    let excused: Vec<_> = files(&top().join("src/core/src"), &["rs"])
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("clippy::disallowed"))
        .map(|path| name(path))
        .collect();
    assert!(excused.is_empty(), "{excused:?}");
}
