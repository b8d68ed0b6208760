//! docs/api.md: each `curl` example works against a hub, and answers as the page says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{KEY, SECRET, Ws, api, dev, get, start, token};
use crosspoint::Running;
use crosspoint_hub::Namespace;
use serde_json::{Value, json};
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/api.md");

/// A block of code: its language and its lines.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = vec![];
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language, text.join("\n")));
        }
    }
    blocks
}

/// What the page says of an answer is so: the members are there, and are of that type.
fn agrees(said: &Value, is: &Value, at: &str) {
    match (said, is) {
        (Value::Object(said), Value::Object(is)) => {
            for (name, value) in said {
                let found = is.get(name).unwrap_or_else(|| panic!("{at} has no `{name}`: {is:?}"));
                agrees(value, found, &format!("{at}.{name}"));
            }
        }
        (Value::Array(said), Value::Array(is)) => {
            assert!(is.len() >= said.len(), "{at} has {} of {} entries", is.len(), said.len());
            said.iter()
                .zip(is)
                .enumerate()
                .for_each(|(n, (said, is))| agrees(said, is, &format!("{at}[{n}]")));
        }
        (said, is) => {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(said), kind(is), "{at} is {is}, not {said}");
        }
    }
}

/// Runs a block, and gives back what its last command printed.
async fn shell(hub: &Running, block: &str, variables: &[(&str, String)]) -> Value {
    let script = format!(
        "curl() {{ command curl -sS --noproxy '*' --max-time 20 --fail-with-body -w '\\n' \"$@\"; }}\nset -e\n{block}"
    );
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .env("HUB", format!("http://{}/api/v1", hub.addr()))
        .env("KEY", KEY)
        .envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().expect("bash and curl");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{block}\n{out}\n{err}");
    let last = out.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {block}\n{out}"))
}

#[tokio::test]
async fn the_examples_work_and_answer_as_the_page_says() {
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = vec![KEY.into()];
        c.namespaces =
            vec![Namespace { prefix: "chat:".into(), history_events: 1000, ..Namespace::default() }];
    })
    .await;
    let mut variables = vec![("POSITION", String::new())];
    let mut people = vec![];
    let mut ran = 0;
    let blocks = blocks();
    for (n, (language, text)) in blocks.iter().enumerate() {
        if *language != "sh" || !text.contains("curl") {
            continue;
        }
        // Who was sent away comes again: alice with one session, and another for each `$SESSION2`.
        let names: &[&str] = if text.contains("SESSION2") { &["SESSION2"] } else { &["SESSION"] };
        let sessions = api(&hub, "GET", "/api/v1/users/alice", &Value::Null).await.json();
        if sessions["sessions"].as_array().unwrap().is_empty() {
            let (mut alice, welcome) = Ws::hello(&hub, json!({"version": 1, "token": token("alice")})).await;
            alice.join("chat:lobby").await;
            let session = welcome["session"].as_str().unwrap().to_string();
            variables.retain(|(name, _)| !names.contains(name));
            names.iter().for_each(|name| variables.push((name, session.clone())));
            people.push(alice);
        }
        let answer = shell(&hub, text, &variables).await;
        if let Some(("json", said)) = blocks.get(n + 1).map(|(language, text)| (*language, text)) {
            agrees(&serde_json::from_str(said).unwrap(), &answer, "the answer");
        }
        if let Some(position) = answer["position"].as_str().filter(|_| variables[0].1.is_empty()) {
            variables[0].1 = position.into();
        }
        ran += 1;
    }
    assert!(ran >= 25, "{ran} examples");
}

#[tokio::test]
async fn every_operation_has_an_example() {
    let document = get(&dev().await, "/openapi.json").await.json();
    let examples: String =
        blocks().into_iter().filter(|(language, _)| *language == "sh").map(|(_, text)| text + "\n").collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        // `{room}` and so on stand for one segment.
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let fits = |line: &str| {
            let Some((_, rest)) = line.split_once("$HUB/") else { return false };
            let path = rest.split(['?', '"', ' ', '\n']).next().unwrap_or_default();
            let given: Vec<&str> = path.split('/').collect();
            given.len() == parts.len() && given.iter().zip(&parts).all(|(g, p)| p.starts_with('{') || g == p)
        };
        for method in item.as_object().unwrap().keys().filter(|m| *m != "parameters") {
            let commands = examples.replace("\\\n", " ");
            let shown = commands.split("curl ").any(|command| {
                let does = match command {
                    _ if command.contains("-X DELETE") => "delete",
                    _ if command.contains("--json") => "post",
                    _ => "get",
                };
                does == method && fits(command)
            });
            assert!(shown, "{method} {path} has no example");
        }
    }
}
