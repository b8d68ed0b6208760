//! The binary: exit codes, what it prints, and what it never prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, SECRET};
use crosspoint_core::{Cap, Grant};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crosspoint"));
    // No crosspoint.toml of the present folder, no variable of the present shell.
    command.current_dir(std::env::temp_dir()).env_clear().args(args).envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(args, env).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A hub in a process of its own, killed at the latest with the test.
struct Hub {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Hub {
    fn start(args: &[&str], env: &[(&str, &str)]) -> Hub {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let mut child = command(&args, env).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap();
        let addr = url.trim_start_matches("http://").trim_end_matches('/').parse();
        Hub { addr: addr.unwrap_or_else(|_| panic!("{line}")), child }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Exit code and standard error.
    fn end(mut self) -> (i32, String) {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), stderr);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
    }
}

#[test]
fn config_check_prints_what_is_in_force_or_what_is_wrong() {
    let (code, out, _) = run(
        &["config", "check", "--set", "limits.rooms_max=7"],
        &[("CROSSPOINT_AUTH__JWT_SECRET", SECRET), ("CROSSPOINT_AUTH__API_KEYS", "a-secret-key-of-mine")],
    );
    assert_eq!((code, out.lines().next()), (0, Some("ok")));
    assert!(out.contains("rooms_max = 7\n") && out.contains("jwt_secret = \"<secret>\""), "{out}");
    assert!(!out.contains(SECRET) && !out.contains("a-secret-key-of-mine"));
    let again: toml::Table = out.strip_prefix("ok\n").unwrap().parse().unwrap();
    assert_eq!(again["limits"]["rooms_max"].as_integer(), Some(7));

    let (code, out, err) =
        run(&["config", "check", "--listen", "0.0.0.0:1"], &[("CROSSPOINT_LOG__LEVEL", "info")]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("`listen.addr` (flag --listen)") && err.contains("set auth.jwt_secret"), "{err}");
    let (code, _, err) = run(&["config", "check", "--set", "x=1", "--threads", "many"], &[]);
    assert!(code == 1 && err.contains("2 errors") && err.contains("`x` (flag --set x=…)"), "{err}");
    assert_eq!(run(&["config", "check", "--nonsense"], &[]).0, 2);
}

#[test]
fn config_check_looks_at_webtransport() {
    let check = |settings: &[&str]| {
        let sets = settings.iter().flat_map(|s| ["--set", s]);
        let (code, _, err) = run(&["config", "check"].into_iter().chain(sets).collect::<Vec<_>>(), &[]);
        (code, err)
    };
    let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (cert, key) = (
        format!("transports.webtransport.tls_cert={no_pem}"),
        format!("transports.webtransport.tls_key={no_pem}"),
    );
    let (code, err) = check(&[&cert, &key]);
    assert!(code == 1 && err.contains("`transports.webtransport.tls_cert`") && err.contains(no_pem), "{err}");
    assert_eq!(check(&[&cert, &key, "transports.webtransport.self_signed=true"]).0, 0);
    let wrong = [
        &cert,
        "transports.webtransport.self_signed_s=1209601",
        "transports.webtransport.rollout_percent=101",
        "transports.webtransport.url=http://hub.example",
    ];
    let (code, err) = check(&wrong);
    assert!(code == 1 && err.contains("4 errors"), "{err}");
}

#[test]
fn the_file_is_found_by_flag_variable_or_name() {
    let path = std::env::temp_dir().join(format!("crosspoint-cli-{}.toml", std::process::id()));
    std::fs::write(&path, "threads = 3\n").unwrap();
    let path_text = path.to_str().unwrap();
    let (_, by_flag, _) =
        run(&["config", "check", "--config", path_text], &[("CROSSPOINT_CONFIG", "/nowhere")]);
    let (_, by_variable, _) = run(&["config", "check"], &[("CROSSPOINT_CONFIG", path_text)]);
    assert!(by_flag.contains("threads = 3\n") && by_variable.contains("threads = 3\n"));
    let folder = std::env::temp_dir().join(format!("crosspoint-cli-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&path, folder.join("crosspoint.toml")).unwrap();
    let by_name = command(&["config", "check"], &[]).current_dir(&folder).output().unwrap();
    assert!(String::from_utf8(by_name.stdout).unwrap().contains("threads = 3\n"));
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn tokens_grant_what_was_asked() {
    let (code, out, _) = run(
        &[
            "token",
            "--user",
            "alice",
            "--ttl",
            "2h",
            "--join",
            "chat:*",
            "--join",
            "lobby",
            "--info",
            "{\"n\":1}",
            "--service",
            "sfu",
        ],
        &[("CROSSPOINT_AUTH__JWT_SECRET", SECRET)],
    );
    assert_eq!(code, 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (code, shown, err) =
        run(&["token", "verify", out.trim()], &[("CROSSPOINT_AUTH__JWT_SECRET", SECRET)]);
    assert_eq!(code, 0, "{err}");
    let grant: Grant = serde_json::from_str(&shown).unwrap();
    assert_eq!(grant.user, "alice");
    assert!(
        grant.may_join("chat:1")
            && grant.may_publish("lobby")
            && !grant.may_join("x")
            && grant.may_serve("sfu")
    );
    let end = grant.expires_unix_s.unwrap();
    assert!((now + 7100..=now + 7205).contains(&end));
    assert!(run(&["token", "--user", "a", "--secret", SECRET], &[]).1.starts_with("eyJ"));

    let (code, _, err) = run(&["token", "--user", "alice"], &[]);
    assert!(code == 1 && err.contains("CROSSPOINT_AUTH__JWT_SECRET"), "{err}");
    for args in [&["--ttl", "soon"][..], &["--info", "[1]"], &["--info", "{"]] {
        let args = [&["token", "--user", "a", "--secret", SECRET], args].concat();
        assert_eq!(run(&args, &[]).0, 2, "{args:?}");
    }
    assert_eq!(run(&["token", "--user", "", "--secret", SECRET], &[]).0, 1);
}

/// The keys and tokens that src/server/tests/tokens/make.mjs made.
fn made() -> serde_json::Value {
    serde_json::from_str(include_str!("tokens/vectors.json")).unwrap()
}

/// A file that goes with the test.
struct Kept(String);

impl Kept {
    fn new(name: &str, text: &str) -> Kept {
        let path = std::env::temp_dir().join(format!("crosspoint-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Kept(path.to_str().unwrap().into())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn tokens_are_signed_with_private_keys_and_say_all_that_can_be_said() {
    let made = made();
    for (kind, algs) in [
        ("RSA", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        ("P-256", &["ES256"]),
        ("P-384", &["ES384"]),
        ("Ed25519", &["EdDSA"]),
    ] {
        let of =
            |half: &str| Kept::new(&format!("{kind}-{half}.pem"), made["keys"][kind][half].as_str().unwrap());
        let (private, public) = (of("private"), of("public"));
        let keys = format!("auth.keys=[{{file = '{}', kid = 'k1', iss = 'us', aud = 'hub'}}]", public.0);
        for alg in algs {
            let mut args = vec!["token", "--user", "bob", "--key", &private.0, "--alg", alg, "--kid", "k1"];
            args.extend(["--iss", "us", "--aud", "hub", "--jti", "t-1", "--name", "Bob", "--join", "chat:*"]);
            args.extend([
                "--history",
                "chat:1",
                "--no",
                "files",
                "--moderate",
                "chat:1",
                "--publish-unjoined",
            ]);
            let (code, token, err) = run(&args, &[]);
            assert_eq!(code, 0, "{alg}: {err}");
            let (code, shown, err) = run(&["token", "verify", token.trim(), "--set", &keys], &[]);
            assert_eq!(code, 0, "{alg}: {err}");
            let grant: Grant = serde_json::from_str(&shown).unwrap();
            assert_eq!((grant.user.as_str(), grant.token_id.as_deref()), ("bob", Some("t-1")));
            assert!(grant.issued_unix_s.is_some() && grant.info.as_ref().unwrap().get().contains("Bob"));
            let may = |cap| grant.may(cap, "chat:1");
            assert!(may(Cap::Join) && may(Cap::Call) && may(Cap::Moderate) && !may(Cap::Files));
        }
        let (code, _, err) = run(&["token", "--user", "bob", "--key", &private.0, "--alg", "HS256"], &[]);
        assert!(code == 1 && err.contains("HS256 does not go with this kind of key"), "{err}");
    }
}

#[test]
fn operators_are_told_why_a_token_is_refused_and_what_it_says() {
    let env = [("CROSSPOINT_AUTH__JWT_SECRET", SECRET)];
    let token = |args: &[&str]| {
        let (code, out, err) = run(&[&["token", "--user", "alice"], args].concat(), &env);
        assert_eq!(code, 0, "{err}");
        out.trim().to_owned()
    };
    let verify = |token: &str, args: &[&str]| {
        let (code, _, err) = run(&[&["token", "verify", token], args].concat(), &env);
        assert_eq!(code, 1, "{err}");
        err
    };
    assert!(verify(&token(&["--aud", "other"]), &[]).contains("`aud` is not for here"));
    assert!(verify(&token(&[]), &["--set", "auth.audiences=hub"]).contains("`aud`"));
    assert!(verify(&token(&["--room", "lobby"]), &[]).contains("for one room"));
    assert!(verify(&token(&[]), &["--room"]).contains("has no `room`"));
    assert!(verify(&token(&["--secret", &"x".repeat(40)]), &[]).contains("verifies its signature"));
    assert!(verify("nonsense", &[]).contains("not a signed JWT"));
    let room = token(&["--room", "lobby", "--ttl", "1m"]);
    let (code, shown, _) = run(&["token", "verify", "--room", &room], &env);
    assert!(code == 0 && serde_json::from_str::<Grant>(&shown).unwrap().may_join("lobby"));

    let (code, shown, _) = run(&["token", "inspect", &token(&["--kid", "k1", "--jti", "t-1"])], &[]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["header"]["alg"], &shown["header"]["kid"]), (0, &"HS256".into(), &"k1".into()));
    assert_eq!((&shown["claims"]["sub"], &shown["claims"]["jti"]), (&"alice".into(), &"t-1".into()));
    assert_eq!(run(&["token", "inspect", "a.b"], &[]).0, 1);
    // From standard input, which is empty here.
    assert_eq!(run(&["token", "verify"], &env).0, 1);
    assert_eq!(run(&["token"], &env).0, 2);
}

#[test]
fn config_check_reads_the_keys_of_tokens() {
    let check = |settings: &[&str]| {
        let sets = settings.iter().flat_map(|s| ["--set", s]);
        let (code, out, err) = run(&["config", "check"].into_iter().chain(sets).collect::<Vec<_>>(), &[]);
        (code, out, err)
    };
    for (setting, problem) in [
        ("auth.keys=[{secret = 'short'}]", "its secret has 5 bytes, fewer than 32"),
        ("auth.keys=[{kid = 'x'}]", "not one of `secret` and `file`"),
        ("auth.keys=[{file = '/nowhere/key.pem'}]", "cannot be read"),
        (
            "auth.keys=[{secret = 'hidden-0123456789abcdef0123456789', alg = 'RS256'}]",
            "RS256 is not for secrets",
        ),
        ("auth.keys=[{file = 'x', alg = 'none'}]", "neither a name nor a list"),
        ("auth.jwt_algs=ES256", "ES256 is not for secrets"),
        ("auth.jwks_urls=http://id.example.com/jwks", "can make tokens"),
        ("auth.jwks_urls=id.example.com", "not the URL of a key set"),
        ("auth.issuers=[{url = 'https://u:p@h/'}]", "not the URL of a key set"),
        ("auth.jwks_timeout_ms=0", "not between 1 and"),
        ("auth.jwks_min_interval_ms=0", "time of 0"),
        ("auth.claims=", "is empty"),
    ] {
        let (code, _, err) = check(&[setting]);
        assert!(code == 1 && err.contains(problem) && !err.contains("hidden"), "{setting}: {err}");
    }
    let (code, out, err) = check(&[
        "auth.jwks_urls=http://127.0.0.1:9/jwks",
        "auth.issuers=[{url = 'https://id.example.com/jwks', aud = 'hub'}]",
    ]);
    assert!(code == 0 && out.contains("aud = [\"hub\"]"), "{out}{err}");
}

#[test]
fn keys_are_shown_once_and_known_by_their_hash() {
    let new = |args: &[&str]| run(&[&["key", "new", "--name", "shop"], args].concat(), &[]);
    let (code, out, _) = new(&[
        "--scope",
        "publish",
        "--scope",
        "read",
        "--room",
        "shop:*",
        "--expires",
        "2999-01-01T00:00:00Z",
    ]);
    let (key, entry) = out.split_once("\n\n").unwrap();
    assert!(code == 0 && key.starts_with("cpk_") && !entry.contains(key), "{out}");
    let path = std::env::temp_dir().join(format!("crosspoint-key-{}.toml", std::process::id()));
    std::fs::write(&path, entry).unwrap();
    let (code, checked, err) = run(&["config", "check", "--config", path.to_str().unwrap()], &[]);
    std::fs::remove_file(&path).unwrap();
    assert!(code == 0 && checked.contains("shop:*") && !checked.contains("sha256:"), "{checked}{err}");

    let mut hashing = command(&["key", "hash"], &[]).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(hashing.stdin.take().unwrap(), "{key}").unwrap();
    let hash = String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap();
    assert!(hash.starts_with("sha256:") && entry.contains(hash.trim()), "{hash}{entry}");
    for wrong in [&[][..], &["--scope", "everything"], &["--user", "alice", "--expires", "tomorrow"]] {
        assert_ne!(new(wrong).0, 0, "{wrong:?}");
    }
}

#[test]
fn dev_mode_says_loudly_that_it_is_open() {
    let hub = Hub::start(&["--threads", "1"], &[]);
    assert!(
        hub.ask("GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n").starts_with("HTTP/1.1 200")
    );
    hub.signal("-INT");
    let (code, err) = hub.end();
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("DEV MODE: this hub is open") && err.contains("CROSSPOINT_AUTH__JWT_SECRET"),
        "{err}"
    );
}

#[test]
fn it_does_not_open_itself_to_the_network_unasked() {
    for args in [&["--listen", "0.0.0.0:0"][..], &["--listen", "[::]:0", "--dev"]] {
        let (code, out, err) = run(&[&["serve"], args].concat(), &[]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("is reachable from other machines"), "{err}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["serve", "--listen", &addr], &[]);
    assert!(code == 1 && err.contains("`listen.addr`: cannot listen on"), "{err}");
}

#[test]
fn logs_hold_no_token_key_payload_name_or_address() {
    let key = "a-secret-key-of-mine";
    let token = run(&["token", "--user", "alice-the-user", "--secret", SECRET], &[]).1;
    let token = token.trim();
    let hub = Hub::start(
        &["--log-format", "json", "--log-level", "trace", "--set", "shutdown.drain_ms=0"],
        &[
            ("CROSSPOINT_AUTH__JWT_SECRET", SECRET),
            ("CROSSPOINT_AUTH__API_KEYS", key),
            ("CROSSPOINT_TRUSTED_PROXIES", "127.0.0.1"),
        ],
    );
    let body = r#"{"type":"msg","data":"the payload"}"#;
    let publish = hub.ask(&format!(
        "POST /api/v1/rooms/secret-room/events HTTP/1.1\nHost: localhost\nX-API-Key: {key}\nX-Forwarded-For: 198.51.100.77\n\
         Content-Length: {}\nConnection: close\n\n{body}",
        body.len()
    ));
    assert!(publish.starts_with("HTTP/1.1 200"), "{publish}");
    let frames = format!(
        r#"{{"mode":"poll","frames":[{{"type":"hub:hello","data":{{"version":1,"token":"{token}"}}}},{{"type":"hub:join","room":"secret-room","id":"1"}},{{"type":"msg","room":"secret-room","data":"the payload"}}]}}"#
    );
    let opened = hub.ask(&format!(
        "POST /sse HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\nX-Forwarded-For: 198.51.100.77\n\
         Content-Length: {}\nConnection: close\n\n{frames}",
        frames.len()
    ));
    assert!(opened.contains("hub:welcome"), "{opened}");
    let resume = opened.split("\"resume\":\"").nth(1).unwrap().split('"').next().unwrap().to_string();
    let ask = r#"{"version":1,"transports":["sse"]}"#;
    let refused = hub.ask(&format!(
        "POST /negotiate HTTP/1.1\nHost: localhost\nAuthorization: Bearer bad.token.here\nContent-Length: {}\n\
         Connection: close\n\n{ask}",
        ask.len()
    ));
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    hub.signal("-TERM");
    let (_, err) = hub.end();
    assert!(err.lines().any(|l| l.contains("\"listening\"")), "{err}");
    let own = err.lines().filter(|l| l.contains("\"target\":\"crosspoint")).collect::<Vec<_>>().join("\n");
    assert!(own.contains("\"answered\""), "{err}");
    for secret in [
        SECRET,
        key,
        token,
        "bad.token.here",
        &resume,
        "the payload",
        "198.51.100.77",
        "alice-the-user",
        "secret-room",
    ] {
        assert!(!own.contains(secret), "{secret} in {own}");
    }
}

#[test]
fn a_signal_drains_and_a_second_one_ends_at_once() {
    let stay = || Hub::start(&["--set", "shutdown.drain_ms=600000"], &[]);
    let hub = stay();
    let mut stream = TcpStream::connect(hub.addr).unwrap();
    stream.write_all(b"GET /rooms/r/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 512];
    assert!(stream.read(&mut first).unwrap() > 0);
    hub.signal("-TERM");
    while !hub.ask("GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n").starts_with("HTTP/1.1 503")
    {
        std::thread::yield_now();
    }
    hub.signal("-TERM");
    let (code, err) = hub.end();
    assert!(code == 1 && err.contains("ended before all clients had moved"), "{err}");

    let hub = stay();
    hub.signal("-TERM");
    let (code, err) = hub.end();
    assert_eq!(code, 0, "without clients there is nothing to wait for: {err}");
}

#[test]
fn what_one_command_publishes_another_prints() {
    let hub = Hub::start(&[], &[("CROSSPOINT_AUTH__JWT_SECRET", SECRET)]);
    let url = format!("http://{}", hub.addr);
    let token = run(&["token", "--user", "alice", "--secret", SECRET], &[]).1;
    let env = [("CROSSPOINT_URL", url.as_str()), ("CROSSPOINT_TOKEN", token.trim())];
    let mut reader =
        command(&["subscribe", "chat:1", "--count", "3", "--transport", "sse"], &env).spawn().unwrap();
    let mut told = BufReader::new(reader.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("joined chat:1") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let (code, out, err) = run(&["publish", "chat:1", "{\"a\": 1.50}", "--type", "note", "--id", "n1"], &env);
    assert!(code == 0 && out.starts_with("{\"id\":\"n1\",\"ts\":"), "{out}{err}");
    let mut writer = command(&["publish", "chat:1", "-"], &env).stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(b"plain text\n[2]\n").unwrap();
    let written = writer.wait_with_output().unwrap();
    assert_eq!(
        (written.status.code(), String::from_utf8(written.stdout).unwrap().lines().count()),
        (Some(0), 2)
    );

    let mut printed = String::new();
    reader.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(reader.wait().unwrap().code(), Some(0));
    let events: Vec<serde_json::Value> = printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(
        printed.starts_with("{\"type\":\"note\",\"room\":\"chat:1\",\"id\":\"n1\"")
            && printed.contains("1.50"),
        "{printed}"
    );
    assert_eq!((&events[1]["data"], &events[2]["data"]), (&"plain text".into(), &serde_json::json!([2])));
    assert_eq!((&events[1]["type"], &events[1]["from"]["user"]), (&"message".into(), &"alice".into()));

    let (code, _, err) =
        run(&["publish", "r", "1"], &[("CROSSPOINT_URL", &url), ("CROSSPOINT_TOKEN", "bad")]);
    assert!(code == 1 && err.contains("unauthorized"), "{err}");
}
