//! Addresses that every hub has, and what isn't there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{dev, get, send, start};
use crosspoint::config::Net;
use http::StatusCode;

#[tokio::test]
async fn operations_are_answered() {
    let hub = dev().await;
    assert_eq!(get(&hub, "/healthz").await.text(), "ok\n");
    assert_eq!(get(&hub, "/readyz").await.status, StatusCode::OK);
    let metrics = get(&hub, "/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "crosspoint_links{transport=\"websocket\"} 0",
        "crosspoint_published_total 0",
        "crosspoint_http_responses_total{route=\"operations\",class=\"2xx\"} 2",
        "# TYPE crosspoint_sessions gauge",
        "# TYPE crosspoint_http_responses_total counter",
    ] {
        assert!(metrics.text().lines().any(|l| l == line), "{line}\n{}", metrics.text());
    }
    for line in metrics.text().lines().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("crosspoint_") && value.parse::<f64>().is_ok_and(|v| v >= 0.0), "{line}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_in_the_protocols_form() {
    let hub = dev().await;
    for path in [
        "/nope",
        "/demo/",
        "/demo/nope.js",
        "/sdk/nope.js",
        "/api/v1/nope",
        "/api/v1/rooms/a/b/events",
        "/rooms/%ff/events",
    ] {
        let answer = get(&hub, path).await;
        assert_eq!(answer.fault(), (404, "not_found".into()), "{path}");
        assert_eq!(answer.json()["error"]["retry"], "never");
        let kind = if path.starts_with("/api") { "application/problem+json" } else { "application/json" };
        assert_eq!(answer.header("content-type"), kind);
    }
    for (method, path, allow) in [
        ("GET", "/negotiate", "POST"),
        ("DELETE", "/", "GET, HEAD"),
        ("POST", "/ws", "GET"),
        ("PUT", "/api/v1/sessions/x", "GET, HEAD, DELETE"),
        ("HEAD", "/rooms/chat:1/events", "GET"),
    ] {
        let answer = send(&hub, method, path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow), "{method} {path}");
    }
    assert_eq!(get(&hub, "/ws").await.fault(), (400, "bad_request".into()));
}

#[tokio::test]
async fn head_has_the_head_of_get_and_no_body() {
    let hub = dev().await;
    for path in ["/", "/healthz", "/api/v1/rooms"] {
        let (whole, head) = (get(&hub, path).await, send(&hub, "HEAD", path, &[], "").await);
        assert_eq!((head.status, head.body.len()), (whole.status, 0));
        assert_eq!(head.header("content-length"), whole.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn the_demo_is_served_with_a_policy_and_validators() {
    let hub = dev().await;
    let page = get(&hub, "/").await;
    assert!(page.text().contains("<title>Crosspoint</title>"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(get(&hub, "/demo/index.html").await.body, page.body);
    // Everything the page refers to is there.
    for path in page.text().split('"').filter(|s| s.starts_with("/demo/")) {
        assert_eq!(get(&hub, path).await.status, StatusCode::OK, "{path}");
    }
    let etag = page.header("etag");
    for known in [etag, "*", &format!("\"other\", W/{etag}")] {
        let again = send(&hub, "GET", "/", &[("if-none-match", known)], "").await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!((again.header("etag"), again.header("cache-control")), (etag, "no-cache"));
    }
    assert_eq!(send(&hub, "GET", "/", &[("if-none-match", "\"x\"")], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn browsers_are_told_to_do_no_more_than_was_meant() {
    let hub = start(|c| c.listen.hsts_s = 600).await;
    for path in ["/", "/demo/main.js", "/demo/nope.js"] {
        let page = get(&hub, path).await;
        let policy = page.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split("; ").any(|d| d == directive), "{path}: {directive} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(page.header("permissions-policy").contains("camera=(self), microphone=(self)"));
        assert!(page.header("permissions-policy").contains("geolocation=()"));
        for (name, value) in [
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
        }
    }
    let sdk = get(&hub, "/sdk/crosspoint.js").await;
    assert!(sdk.header("content-security-policy").starts_with("default-src 'none'"));
    for path in ["/", "/sdk/crosspoint.js", "/healthz", "/metrics", "/nope", "/negotiate", "/api/v1/rooms"] {
        let answer = get(&hub, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "not by http: {path}");
    }
    for path in ["/api/v1/rooms", "/api/v1/nope", "/negotiate", "/healthz", "/metrics"] {
        assert_eq!(get(&hub, path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn browsers_are_told_to_come_by_https_where_they_did() {
    let hub = start(|c| {
        c.listen.hsts_s = 600;
        c.trusted_proxies = Net::loopback();
    })
    .await;
    for (proto, told) in [("https", "max-age=600"), ("http", ""), ("http, https", "max-age=600"), ("", "")] {
        let answer = send(&hub, "GET", "/", &[("x-forwarded-proto", proto)], "").await;
        assert_eq!(answer.header("strict-transport-security"), told, "{proto}");
    }
}

#[tokio::test]
async fn paths_do_not_climb_out_of_the_files() {
    let hub = dev().await;
    for path in [
        "/demo/../sdk/package.json",
        "/demo/%2e%2e/sdk/package.json",
        "/sdk/..%2fpackage.json",
        "/demo//etc/passwd",
    ] {
        assert_eq!(get(&hub, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_sdk_is_for_pages_of_all_origins() {
    let hub = dev().await;
    let answer =
        send(&hub, "GET", "/sdk/crosspoint.js", &[("origin", "https://elsewhere.example")], "").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    if answer.status == StatusCode::OK {
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    }
}
