//! No secret comes out again: not in logs of any level, not in metrics, not in what others are answered.

use crate::backend;
use crate::credentials::{By, Condition};
use crate::hub::AUDIENCE;
use crate::support::{Http, Version, client_that_trusts, within};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crosspoint::auth::jwt::Signer;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use wtransport::endpoint::ConnectOptions;

const JWT_SECRET: &str = "canary-jwt-secret-0123456789abcdef";
const API_KEY: &str = "canary-api-key-0123456789";
const SERVICE_KEY: &str = "canary-service-key-0123456789";
const HOOK_SECRET: &str = "whsec_Y2FuYXJ5LWhvb2stc2VjcmV0LTAxMjM0NTY3ODk=";
const TURN_SECRET: &str = "canary-turn-secret-0123456789";
const COTURN_SECRET: &str = "canary-coturn-secret-0123456789";

/// The hub as a process, and all that it writes.
struct Hub {
    child: Child,
    addr: SocketAddr,
    written: Vec<JoinHandle<String>>,
}

fn settings(backend: SocketAddr, format: &str) -> Vec<(String, String)> {
    let set = |key: &str, value: String| (format!("CROSSPOINT_{key}"), value);
    let named =
        json!({"name": "named", "user": "alice", "scopes": ["read"], "key": "canary-named-key-0123456789"});
    let keys = format!("[{API_KEY:?}, {}]", inline(&named));
    let ways =
        "bearer,cookie,api_key,session_id,basic,subprotocol,query_token,query_api_key,query_session_id";
    vec![
        set("LOG__LEVEL", "trace".into()),
        set("LOG__FORMAT", format.into()),
        set("AUTH__JWT_SECRET", JWT_SECRET.into()),
        set("AUTH__AUDIENCES", AUDIENCE.into()),
        set("AUTH__API_KEYS", keys),
        set("AUTH__SERVICES", format!("[{}]", inline(&json!({"name": "sfu", "key": SERVICE_KEY})))),
        set("AUTH__WAYS", ways.into()),
        set("AUTH__SCHEMES", "Session".into()),
        set("HOOKS__SECRETS", HOOK_SECRET.into()),
        set("HOOKS__CONNECT__URL", format!("http://{backend}/connect")),
        set("ICE__TURN__ENABLED", "true".into()),
        set("ICE__ADDR", "127.0.0.1:0".into()),
        set("ICE__TURN__SECRET", TURN_SECRET.into()),
        set("ICE__COTURN__URLS", "[\"turn:turn.example.com:3478?transport=udp\"]".into()),
        set("ICE__COTURN__SECRET", COTURN_SECRET.into()),
        set("TRANSPORTS__WEBTRANSPORT__ENABLED", "true".into()),
        set("TRANSPORTS__WEBRTC__ENABLED", "true".into()),
        set("SHUTDOWN__DRAIN_MS", "100".into()),
    ]
}

/// A table as TOML has it in one line.
fn inline(table: &Value) -> String {
    let fields = table.as_object().unwrap().iter().map(|(key, value)| format!("{key} = {value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

impl Hub {
    fn start(settings: &[(String, String)]) -> Hub {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.current_dir(std::env::temp_dir()).env_clear().args(["serve", "--listen", "127.0.0.1:0"]);
        command.envs(settings.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        let out = std::thread::spawn(move || {
            out.read_to_string(&mut line).unwrap();
            line
        });
        let addr = url.split("//").nth(1).unwrap().trim_end_matches('/').parse();
        Hub { child, addr: addr.unwrap(), written: vec![errors, out] }
    }

    /// Ends it; what it has written.
    fn end(&mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let written = self.written.drain(..).map(|text| text.join().unwrap()).collect::<Vec<_>>().join("\n");
        assert!(status.success(), "{status}: {written}");
        written
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What must not be found, and what was answered.
struct Run {
    addr: SocketAddr,
    secrets: Vec<String>,
    /// What requests without secrets were answered, and refusals.
    answers: String,
}

impl Run {
    fn secret(&mut self, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 12, "{secret}");
        self.secrets.push(secret.clone());
        secret
    }

    /// Sends a request; its answer is kept if it refuses.
    async fn ask(
        &mut self,
        version: Version,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<String> {
        let http = Http::new(self.addr, version).await;
        let answer = http.send(method, path, headers, body.to_owned()).await;
        let (status, type_) = (answer.status, answer.header("content-type").to_owned());
        if type_ == "text/event-stream" {
            let mut answer = answer;
            return within(answer.chunk()).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        }
        let text = answer.text().await;
        if status >= 300 {
            self.answers.push_str(&text);
            return None;
        }
        Some(text)
    }

    /// Bytes as they are, on a connection of their own.
    async fn raw(&mut self, bytes: String) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let mut answer = vec![];
        let _ = within(stream.read_to_end(&mut answer)).await;
        self.answers.push_str(&String::from_utf8_lossy(&answer));
    }

    /// Every way, right and wrong, at every address.
    async fn every_way(&mut self, offer: &str) {
        const CONDITIONS: [Condition; 4] =
            [Condition::Valid, Condition::WrongKey, Condition::Expired, Condition::Revoked];
        let places = [
            (Method::POST, "/negotiate", r#"{"version":1,"transports":["websocket"]}"#),
            (Method::POST, "/sse", r#"{"mode":"poll","frames":[{"type":"hub:hello","data":{"version":1}}]}"#),
            (Method::POST, "/sse/0123456789abcdef0123456789abcdef", r#"{"key":"x"}"#),
            (Method::GET, "/rooms/r/events", ""),
            (Method::POST, "/webrtc", offer),
            (Method::DELETE, "/webrtc/0123456789abcdef0123456789abcdef", ""),
            (Method::GET, "/ws", ""),
            (Method::GET, "/api/v1/rooms", ""),
            (Method::GET, "/nowhere", ""),
            (Method::GET, "/healthz", ""),
            (Method::GET, "/readyz", ""),
            (Method::GET, "/metrics", ""),
            (Method::GET, "/", ""),
            (Method::PUT, "/negotiate", ""),
            (Method::OPTIONS, "/negotiate", ""),
        ];
        for (n, by) in By::ALL.into_iter().enumerate() {
            for condition in CONDITIONS {
                let (headers, query) = self.show(n, by, condition);
                for (method, path, body) in places.clone() {
                    let mut all = vec![("content-type", "application/json")];
                    if path == "/webrtc" {
                        all[0].1 = "application/sdp";
                    }
                    if path == "/ws" {
                        all.extend([
                            ("connection", "upgrade"),
                            ("upgrade", "websocket"),
                            ("sec-websocket-version", "13"),
                            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                        ]);
                    }
                    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
                    let path = if query.is_empty() { path.into() } else { format!("{path}?{query}") };
                    if condition == Condition::WrongKey && !path.starts_with("/ws") {
                        self.ask(Version::H2, method.clone(), &path, &all, body).await;
                    }
                    if !(path.starts_with("/ws") && condition == Condition::Valid) {
                        self.ask(Version::H1, method, &path, &all, body).await;
                    }
                }
            }
        }
    }

    /// As [`By::show`], with secrets that are nobody else's.
    fn show(&mut self, n: usize, by: By, condition: Condition) -> (Vec<(&'static str, String)>, String) {
        let word = format!("{condition:?}").to_lowercase();
        let claims = json!({"sub": "alice", "aud": AUDIENCE, "jti": format!("{n}-{word}")});
        let token = || {
            let key = if condition == Condition::WrongKey {
                "canary-another-secret-of-32-bytes!!"
            } else {
                JWT_SECRET
            };
            Signer::hs256(key.as_bytes()).sign_json(&claims).unwrap()
        };
        let key = || match condition {
            Condition::Valid => "canary-named-key-0123456789".to_owned(),
            _ => format!("canary-key-of-nobody-{n}-{word}"),
        };
        let id = || format!("canary-session-id-{n}-{word}");
        let password = || format!("alice:canary-password-{n}-{word}");
        let (template, secret) = match by {
            By::Bearer | By::Cookie | By::Subprotocol | By::QueryToken => (by, token()),
            By::BearerKey | By::ApiKey | By::QueryApiKey => (by, key()),
            By::SessionId | By::Scheme | By::QuerySessionId => (by, id()),
            By::Basic => {
                self.secret(password());
                (by, STANDARD.encode(password()))
            }
        };
        let secret = self.secret(secret);
        if let Some((_, signature)) = secret.rsplit_once('.').filter(|_| secret.starts_with("eyJ")) {
            self.secret(signature);
        }
        let header = |name, value| (vec![(name, value)], String::new());
        match template {
            By::Bearer | By::BearerKey => header("authorization", format!("Bearer {secret}")),
            By::Cookie => header("cookie", format!("crosspoint_token={secret}")),
            By::ApiKey => header("x-api-key", secret),
            By::SessionId => header("x-session-id", secret),
            By::Basic => header("authorization", format!("Basic {secret}")),
            By::Scheme => header("authorization", format!("Session {secret}")),
            By::Subprotocol => header("sec-websocket-protocol", format!("crosspoint.v1, bearer.{secret}")),
            By::QueryToken => (vec![], format!("token={secret}")),
            By::QueryApiKey => (vec![], format!("apiKey={secret}")),
            By::QuerySessionId => (vec![], format!("sessionId={secret}")),
        }
    }

    /// What the hub itself gives out: tickets, secrets of sessions and links, TURN credentials.
    async fn given_out(&mut self) -> String {
        let bearer = self.bearer();
        let auth = [("authorization", bearer.as_str())];
        let ask = r#"{"version":1,"transports":["websocket","sse","webtransport"]}"#;
        let answer = self.ask(Version::H1, Method::POST, "/negotiate", &auth, ask).await.expect("a ticket");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let ticket = self.secret(answer["ticket"].as_str().unwrap());
        for server in answer["ice_servers"].as_array().unwrap() {
            if let Some(credential) = server["credential"].as_str() {
                self.secret(credential);
            }
        }
        let hello = json!({"type": "hub:hello", "data": {"version": 1, "ticket": ticket}});
        let opening = json!({"mode": "poll", "frames": [hello]}).to_string();
        let opened = self.ask(Version::H1, Method::POST, "/sse", &[], &opening).await.expect("a link");
        let opened: Value = serde_json::from_str(&opened).unwrap();
        let (link, key) = (opened["link"].as_str().unwrap(), opened["key"].as_str().unwrap());
        let key = self.secret(key);
        let resume = self.secret(opened["frames"][0]["data"]["resume"].as_str().unwrap());
        let token = bearer.trim_start_matches("Bearer ");
        // What can go wrong with them.
        let wrong = self.secret("canary-token-in-a-frame.of.a-session");
        let path = format!("/sse/{link}");
        let frames = json!([
            {"type": "hub:refresh", "id": "1", "data": {"token": wrong}},
            {"type": "hub:refresh", "id": "2", "data": {"token": [wrong]}},
            {"type": "hub:join", "room": "r", "id": "3", "data": {"token": wrong}},
            {"type": "hub:refresh", "id": "4", "data": {"token": token}},
            {"type": wrong, "id": "5"},
            {"type": "hub:nonsense", "id": "6", "data": {"token": wrong}},
        ]);
        let post = json!({"key": key, "start": 1, "frames": frames}).to_string();
        self.ask(Version::H1, Method::POST, &path, &[], &post).await;
        let stolen = json!({"key": wrong, "frames": []}).to_string();
        self.ask(Version::H1, Method::POST, &path, &[], &stolen).await;
        for data in [
            json!({"version": 1, "ticket": ticket}),
            json!({"version": 1, "session": "0123", "resume": resume}),
            json!({"version": 1, "token": wrong}),
            json!({"version": 1, "token": {"not": wrong}}),
            json!({"version": 1, "token": SERVICE_KEY}),
        ] {
            let opening =
                json!({"mode": "poll", "frames": [{"type": "hub:hello", "data": data}]}).to_string();
            self.ask(Version::H1, Method::POST, "/sse", &[], &opening).await;
        }
        self.bad_frames(&wrong).await;
        self.webtransport(&answer).await;
        token.to_owned()
    }

    fn bearer(&mut self) -> String {
        let claims = json!({"sub": "alice", "aud": AUDIENCE, "jti": "given-out"});
        let token = Signer::hs256(JWT_SECRET.as_bytes()).sign_json(&claims).unwrap();
        format!("Bearer {}", self.secret(token))
    }

    async fn bad_frames(&mut self, secret: &str) {
        let hello = json!({"type": "hub:hello", "data": {"version": 1, "token": secret}}).to_string();
        for text in [
            hello.clone(),
            hello.trim_end_matches('}').into(),
            format!("{secret}{hello}"),
            json!({"type": 7, "token": secret}).to_string(),
            json!({"type": "hub:hello", "id": [secret]}).to_string(),
        ] {
            let url = format!("ws://{}/ws?token={secret}&sessionId=", self.addr);
            let refused = within(tokio_tungstenite::connect_async(url)).await;
            assert!(refused.is_err(), "a wrong token");
            let (mut socket, _) =
                within(tokio_tungstenite::connect_async(format!("ws://{}/ws", self.addr))).await.unwrap();
            socket.send(Message::text(text)).await.unwrap();
            while let Some(Ok(_)) = within(socket.next()).await {}
        }
        let host = format!("Host: {}", self.addr);
        for bytes in [
            format!("GET /ws?token={secret} HTTP/9.9\r\n{host}\r\n\r\n"),
            format!("GET /ws?token={secret}\r\n\r\n"),
            format!("GET /ws HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {secret}\u{1}\r\n\r\n"),
            format!("GET /ws HTTP/1.1\r\n{host}\r\nX-API-Key: {}{secret}\r\n\r\n", "x".repeat(40_000)),
            format!(
                "POST /negotiate HTTP/1.1\r\n{host}\r\nContent-Length: 9\r\nCookie: crosspoint_token={secret}\r\n\r\n{{}}"
            ),
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{secret}"),
        ] {
            self.raw(bytes).await;
        }
    }

    async fn webtransport(&mut self, negotiated: &Value) {
        let offers = negotiated["transports"].as_array().unwrap();
        let offer = offers.iter().find(|offer| offer["name"] == "webtransport").expect("it is offered");
        let hashes = offer["certificate_hashes"].as_array().unwrap();
        let hashes = hashes
            .iter()
            .map(|hash| <[u8; 32]>::try_from(STANDARD.decode(hash.as_str().unwrap()).unwrap()).unwrap());
        let client = client_that_trusts(hashes.collect::<Vec<_>>());
        let wrong = self.secret("canary-token-of-webtransport");
        let url = offer["url"].as_str().unwrap();
        for options in [
            ConnectOptions::builder(format!("{url}?token={wrong}")),
            ConnectOptions::builder(url).add_header("authorization", format!("Bearer {wrong}")),
            ConnectOptions::builder(format!("{url}/{wrong}")),
        ] {
            assert!(within(client.connect(options.build())).await.is_err());
        }
    }
}

/// A key of TLS, in a file that can be used and in one that can't.
#[tokio::test]
async fn no_key_of_tls_is_in_any_output() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("crosspoint-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = made.signing_key.serialize_pem();
    let (cert, good) = (file("cert.pem", &made.cert.pem()), file("key.pem", &key));
    let bad = file("bad.pem", &key.replace("PRIVATE KEY", "CERTIFICATE"));
    let set = |key: &str| {
        ["LOG__LEVEL=trace", &format!("LISTEN__TLS_CERT={cert}"), &format!("LISTEN__TLS_KEY={key}")]
            .map(|text| text.split_once('=').map(|(k, v)| (format!("CROSSPOINT_{k}"), v.to_owned())).unwrap())
    };
    let mut hub = Hub::start(&set(&good));
    let mut run = Run { addr: hub.addr, secrets: vec![], answers: String::new() };
    run.raw("\u{16}\u{3}\u{1}no TLS".into()).await;
    let mut written = hub.end() + &run.answers;
    for key in [&good, &bad] {
        let (_, text) = check(&set(key));
        written.push_str(&text);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(written.contains("listening") && written.contains("tls_key"), "{written}");
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!written.contains(line), "{written}");
    }
}

/// What `config check` prints, on standard output and in all.
fn check(settings: &[(String, String)]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.current_dir(std::env::temp_dir()).env_clear().envs(settings.iter().cloned());
    command.args(["config", "check"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = command.spawn().unwrap();
    // It ends with its standard input.
    let _stdin = check.stdin.take();
    let check = check.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&check.stdout), text(&check.stdout) + &text(&check.stderr))
}

async fn run(format: &str) {
    let backend = backend::start().await;
    let settings = settings(backend, format);
    let mut hub = Hub::start(&settings);
    let offer = crate::support::Offered::new().await;
    let mut run = Run { addr: hub.addr, secrets: vec![], answers: String::new() };
    for secret in [JWT_SECRET, API_KEY, SERVICE_KEY, HOOK_SECRET, TURN_SECRET, COTURN_SECRET] {
        run.secret(secret);
    }
    run.secret("canary-hook-secret-0123456789");
    run.every_way(&offer.sdp).await;
    run.given_out().await;
    run.ask(Version::H1, Method::GET, "/api/v1/rooms", &[("x-api-key", API_KEY)], "").await.expect("rooms");
    let metrics = run.ask(Version::H1, Method::GET, "/metrics", &[], "").await.expect("metrics");
    run.answers.push_str(&metrics);
    for path in ["/nowhere", "/api/v1/rooms", "/rooms/r/events", "/ws"] {
        run.ask(Version::H1, Method::GET, path, &[], "").await;
    }
    let written = hub.end();
    assert!(written.contains("listening") && written.contains("answered"), "{written}");
    let (ok, check) = check(&settings);
    assert!(ok.starts_with("ok\n"), "{check}");
    let mut found = vec![];
    for secret in &run.secrets {
        for (place, text) in [("the log", &written), ("an answer", &run.answers), ("config check", &check)] {
            if let Some(line) = text.lines().find(|line| line.contains(secret.as_str())) {
                found.push(format!("{secret} in {place}: {line:.600}"));
            }
        }
    }
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), run.secrets.len(), found.join("\n"));
    assert!(!written.contains("panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_any_output_as_text() {
    run("text").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_any_output_as_json() {
    run("json").await;
}
