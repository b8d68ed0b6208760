use super::*;
use serde_json::json;
use std::net::IpAddr;

fn config(allowed: &[&str], edit: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { dev: false, ..Config::default() };
    config.auth.jwt_secret = Some("0123456789abcdef0123456789abcdef".into());
    config.origins.allowed = serde_json::from_value(json!(allowed)).unwrap();
    edit(&mut config);
    config
}

fn secured(allowed: &[&str]) -> Policy {
    Policy::new(&config(allowed, |_| {}))
}

fn dev(allowed: &[&str]) -> Policy {
    Policy::new(&config(allowed, |c| c.dev = true))
}

/// As a request with these headers from 127.0.0.1.
fn standing(policy: &Policy, headers: &[(&str, &str)]) -> Result<Standing, Code> {
    let mut request = Request::builder().uri("/ws").extension(Peer(IpAddr::from([127, 0, 0, 1])));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    policy.standing(&request.body(()).unwrap()).map_err(|f| f.code)
}

fn ask(policy: &Policy, host: &str, origin: &str) -> Result<Standing, Code> {
    standing(policy, &[("host", host), ("origin", origin)])
}

fn known(origin: &str) -> Result<Standing, Code> {
    Ok(Standing::Known(HeaderValue::from_str(origin).unwrap()))
}

const REFUSED: Result<Standing, Code> = Err(Code::BadOrigin);

#[test]
fn a_secured_hub_takes_its_own_pages_and_listed_ones() {
    let p = secured(&["https://app.example.com", "https://*.apps.example.com", "http://localhost:5173"]);
    for (host, origin) in [
        ("hub.example.com", "https://hub.example.com"),
        ("hub.example.com", "http://hub.example.com"),
        ("hub.example.com:443", "https://hub.example.com"),
        ("hub.example.com:80", "http://hub.example.com"),
        ("hub.example.com:8443", "https://hub.example.com:8443"),
        ("HUB.example.com", "https://hub.EXAMPLE.com"),
        ("hub.example.com.", "https://hub.example.com."),
        ("[2001:db8::1]:3001", "http://[2001:db8::1]:3001"),
        ("[2001:DB8:0::1]:3001", "http://[2001:db8::1]:3001"),
        ("hub.example.com", "https://app.example.com"),
        ("hub.example.com", "https://App.example.com"),
        ("hub.example.com", "https://a.b.apps.example.com"),
        ("hub.example.com", "http://localhost:5173"),
        ("", "https://app.example.com"),
    ] {
        assert_eq!(ask(&p, host, origin), known(origin), "{host} {origin}");
    }
}

#[test]
fn and_no_others() {
    let p = secured(&["https://app.example.com", "https://*.apps.example.com"]);
    for (host, origin) in [
        ("hub.example.com", "https://evil.example"),
        ("hub.example.com", "http://app.example.com"),
        ("hub.example.com", "https://app.example.com:8443"),
        ("hub.example.com", "https://app.example.com."),
        ("hub.example.com", "https://apps.example.com"),
        ("hub.example.com", "https://evilapps.example.com"),
        ("hub.example.com", "https://a.apps.example.com.evil.example"),
        ("hub.example.com", "http://localhost:5173"),
        ("hub.example.com", "https://hub.example.com:8443"),
        ("hub.example.com", "http://hub.example.com:443"),
        ("hub.example.com:443", "http://hub.example.com"),
        ("hub.example.com:3001", "https://hub.example.com"),
        ("hub.example.com", "https://hub.example.com."),
        ("hub.example.com", "https://hub.example.com@evil.example"),
        ("hub.example.com", "https://evil.example@hub.example.com"),
        ("evil.example@hub.example.com", "https://hub.example.com"),
        ("hub.example.com", "https://hub.example.com/"),
        ("hub.example.com", "ftp://hub.example.com"),
        ("hub.example.com", "chrome-extension://hub.example.com"),
        ("hub.example.com", "://hub.example.com"),
        ("hub.example.com", "https://https://hub.example.com"),
        ("hub.example.com", "hub.example.com"),
        ("hub.example.com", "https://[2001:db8::1]"),
        ("[2001:db8::1]", "https://[2001:db8::2]"),
        ("hub.example.com", "null"),
        ("hub.example.com", ""),
        // A host that is no host has no pages of its own.
        ("", "null"),
        ("", ""),
        ("", "https://"),
        ("null", "null"),
        ("a b", "https://a b"),
        ("a/b", "https://a/b"),
        ("*", "https://*"),
    ] {
        assert_eq!(ask(&p, host, origin), REFUSED, "{host} {origin}");
    }
}

#[test]
fn who_came_by_https_has_no_pages_of_http() {
    let by_tls = |c: &mut Config| {
        (c.listen.tls_cert, c.listen.tls_key) = (Some("a".into()), Some("b".into()));
    };
    let tls = Policy::new(&config(&[], by_tls));
    assert_eq!(ask(&tls, "hub.example.com", "https://hub.example.com"), known("https://hub.example.com"));
    assert_eq!(ask(&tls, "hub.example.com", "http://hub.example.com"), REFUSED);
    let trusting = |proxies: &str, headers: &str| {
        Policy::new(&config(&[], |c| {
            c.trusted_proxies = serde_json::from_value(json!([proxies])).unwrap();
            c.proxy_headers = serde_json::from_value(json!(headers)).unwrap();
        }))
    };
    let (page, https) = ("http://hub.example.com", ("x-forwarded-proto", "https"));
    let (host, origin) = (("host", "hub.example.com"), ("origin", page));
    let forwarded = ("forwarded", "for=1.2.3.4;proto=http, for=5.6.7.8;proto=HTTPS");
    let p = trusting("127.0.0.0/8", "x-forwarded");
    assert_eq!(standing(&p, &[host, origin, https]), REFUSED);
    assert_eq!(standing(&p, &[host, origin, ("x-forwarded-proto", "http, https")]), REFUSED);
    assert_eq!(standing(&p, &[host, origin, ("x-forwarded-proto", "http")]), known(page));
    assert_eq!(standing(&p, &[host, origin, forwarded]), known(page), "the other header says nothing");
    let p = trusting("127.0.0.0/8", "forwarded");
    assert_eq!(standing(&p, &[host, origin, forwarded]), REFUSED);
    assert_eq!(standing(&p, &[host, origin, https]), known(page));
    let p = trusting("10.0.0.0/8", "x-forwarded");
    assert_eq!(standing(&p, &[host, origin, https]), known(page), "a stranger");
    let elsewhere = ("x-forwarded-host", "evil.example");
    let p = trusting("127.0.0.0/8", "x-forwarded");
    assert_eq!(standing(&p, &[host, elsewhere, ("origin", "https://evil.example")]), REFUSED);
}

#[test]
fn several_origins_or_hosts_are_none() {
    let p = secured(&["https://app.example.com"]);
    let (host, app) = (("host", "hub.example.com"), ("origin", "https://app.example.com"));
    let evil = ("origin", "https://evil.example");
    assert_eq!(standing(&p, &[host, app, evil]), REFUSED);
    assert_eq!(standing(&p, &[host, evil, app]), REFUSED);
    assert_eq!(ask(&p, "hub.example.com", "https://app.example.com, https://evil.example"), REFUSED);
    assert_eq!(standing(&p, &[host, ("host", "evil.example")]), Err(Code::BadRequest));
}

#[test]
fn pages_that_do_not_say_who_they_are_are_not_ours() {
    let (listed, any) = (secured(&["https://app.example.com"]), secured(&["*"]));
    let host = ("host", "hub.example.com");
    for (site, ours) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
        let headers = [host, ("sec-fetch-site", site)];
        let expected = if ours { Ok(Standing::NoOrigin) } else { REFUSED };
        assert_eq!(standing(&listed, &headers), expected, "{site}");
        let expected = if ours { Standing::NoOrigin } else { Standing::Anybody };
        assert_eq!(standing(&any, &headers), Ok(expected), "{site}");
    }
    assert_eq!(standing(&listed, &[host]), Ok(Standing::NoOrigin), "not a browser, or an old one");
}

#[test]
fn cookies_count_for_pages_that_are_known() {
    let headers = |site: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site))])
    };
    let page = Standing::Known(HeaderValue::from_static("https://app.example.com"));
    for (standing, headers, counts) in [
        (&page, HeaderMap::new(), true),
        (&page, headers("cross-site"), true),
        (&Standing::Anybody, HeaderMap::new(), false),
        (&Standing::Anybody, headers("same-origin"), false),
        (&Standing::NoOrigin, HeaderMap::new(), true),
        (&Standing::NoOrigin, headers("same-origin"), true),
        (&Standing::NoOrigin, headers("none"), true),
        (&Standing::NoOrigin, headers("same-site"), false),
        (&Standing::NoOrigin, headers("cross-site"), false),
    ] {
        assert_eq!(standing.cookies(&headers), counts, "{standing:?} {headers:?}");
    }
}

#[test]
fn a_star_takes_everybody_and_gives_nobody_credentials() {
    let p = secured(&["*", "https://app.example.com"]);
    for origin in ["https://evil.example", "null", "", "file://", "http://hub.example.com.evil.example"] {
        assert_eq!(ask(&p, "hub.example.com", origin), Ok(Standing::Anybody), "{origin}");
    }
    let mut headers = HeaderMap::new();
    Standing::Anybody.mark(&mut headers);
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    assert_eq!(ask(&p, "hub.example.com", "https://app.example.com"), known("https://app.example.com"));
}

#[test]
fn dev_mode_takes_localhost_and_believes_no_rebound_name() {
    let p = dev(&[]);
    for (host, origin) in [
        ("127.0.0.1:3001", "http://localhost:5173"),
        ("localhost:3001", "http://[::1]:8080"),
        ("[::1]:3001", "http://app.localhost"),
        ("mybox:3001", "http://mybox:3001"),
        ("192.168.1.7:3001", "http://192.168.1.7:3001"),
        ("[::ffff:127.0.0.1]:3001", "http://127.0.0.2:1"),
    ] {
        assert_eq!(ask(&p, host, origin), known(origin));
    }
    for (host, origin) in [
        ("evil.example:3001", "http://evil.example:3001"),
        ("127.0.0.1:3001", "http://evil.example:3001"),
        ("127.0.0.1:3001", "http://localhost.evil.example"),
        ("127.0.0.1:3001", "http://notlocalhost"),
        ("127.0.0.1:3001", "http://localhost@evil.example"),
        ("127.0.0.1:3001", "null"),
        ("evil.localhost.evil.example", "http://localhost"),
        ("localhost.:3001", "http://evil.example"),
    ] {
        assert_eq!(ask(&p, host, origin), REFUSED, "{host} {origin}");
    }
    for host in ["evil.example:3001", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "a b"] {
        assert_eq!(standing(&p, &[("host", host)]), REFUSED, "{host}");
    }
    assert_eq!(standing(&p, &[]), REFUSED, "no host at all");
    let p = dev(&["https://*.tunnel.example"]);
    let origin = "https://a.tunnel.example";
    assert_eq!(ask(&p, "a.tunnel.example", origin), known(origin));
}

#[test]
fn sessions_are_for_pages_of_the_same_host_by_the_ports_of_the_hub() {
    let listed = config(&["https://app.example.com"], |_| {});
    let p = Policy::new(&listed);
    let may = |policy: &Policy, origin: Option<&'static str>| {
        let origin = origin.map(HeaderValue::from_static);
        policy.webtransport("Hub.example.com:4433", 3001, origin.as_ref()).map(drop).map_err(|f| f.code)
    };
    for origin in [
        None,
        Some("https://hub.example.com"),
        Some("https://hub.example.com:3001"),
        Some("https://hub.example.com:4433"),
        Some("https://app.example.com"),
        Some("http://hub.example.com:3001"),
    ] {
        assert_eq!(may(&p, origin), Ok(()), "{origin:?}");
    }
    for origin in
        ["https://hub.example.com:8443", "https://example.com", "null", "", "ftp://hub.example.com:3001"]
    {
        assert_eq!(may(&p, Some(origin)), Err(Code::BadOrigin), "{origin}");
    }
    let mut tls = listed.clone();
    (tls.listen.tls_cert, tls.listen.tls_key) = (Some("a".into()), Some("b".into()));
    assert_eq!(may(&Policy::new(&tls), Some("http://hub.example.com:3001")), Err(Code::BadOrigin));
    let dev = dev(&[]);
    assert!(dev.webtransport("evil.example:3001", 3001, None).is_err());
    let page = HeaderValue::from_static("http://localhost:5173");
    assert!(dev.webtransport("127.0.0.1:3001", 3001, Some(&page)).is_ok());
}
