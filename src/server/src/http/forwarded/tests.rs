use super::*;

fn proxies(headers: ProxyHeaders) -> Proxies {
    Proxies {
        trusted: serde_json::from_str(r#"["10.0.0.0/8", "127.0.0.1", "2001:db8:1::/48"]"#).unwrap(),
        headers,
    }
}

/// The client of a request that came from this peer with these lines.
fn client(kind: ProxyHeaders, peer: &str, lines: &[(&'static str, &str)]) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    proxies(kind).client(peer.parse().unwrap(), &headers).to_string()
}

#[test]
fn lists_are_believed_as_far_as_proxies_are_trusted() {
    for (peer, lines, expected) in [
        ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
        ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", &[], "127.0.0.1"),
        ("::ffff:10.1.1.1", &["192.0.2.66, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1", &["192.0.2.66", "198.51.100.1", "10.2.2.2, ::ffff:10.3.3.3"], "198.51.100.1"),
        ("10.1.1.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", &["10.9.9.9,10.2.2.2"], "10.9.9.9"),
        ("10.1.1.1", &["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.1.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.1.1.1", &["2001:db8::7"], "2001:db8::7"),
        ("2001:db8:1::5", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", &["unknown"], "10.1.1.1"),
        ("10.1.1.1", &["198.51.100.1, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", &["198.51.100.1,"], "10.1.1.1"),
        ("10.1.1.1", &["198.51.100.1 10.2.2.2"], "10.1.1.1"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(client(ProxyHeaders::XForwarded, peer, &lines), expected, "{peer} {lines:?}");
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_has_it() {
    for (lines, expected) in [
        (&["for=198.51.100.1"][..], "198.51.100.1"),
        (&["For=\"198.51.100.1:4711\";proto=https;by=203.0.113.43"], "198.51.100.1"),
        (&["proto=https; FOR=\"[2001:db8::7]\""], "2001:db8::7"),
        (&["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
        (&["for=192.0.2.66, for=198.51.100.1", "for=10.2.2.2"], "198.51.100.1"),
        (&["for=192.0.2.66;host=\"a,for=192.0.2.7\""], "192.0.2.66"),
        (&["for=192.0.2.66;host=\"a\\\",for=192.0.2.7\""], "192.0.2.66"),
        (&["for=198.51.100.1, for=_hidden"], "127.0.0.1"),
        (&["for=unknown"], "127.0.0.1"),
        (&["by=10.0.0.1"], "127.0.0.1"),
        (&["for=192.0.2.66;for=192.0.2.7"], "127.0.0.1"),
        (&["for=\"192.0.2.66"], "127.0.0.1"),
        (&["for=192.0.2.66;x=\", for=198.51.100.1"], "127.0.0.1"),
        (&["for=192.0.2.66;x=\", for=\"[2001:db8::7]\""], "127.0.0.1"),
        (&["for=192.0.2.66;x=\", for=198.51.100.1;host=\"a\\\"b\""], "127.0.0.1"),
        (&["for=192.0.2.66;x=\", for=198.51.100.1", "for=10.2.2.2"], "10.2.2.2"),
        (&[""], "127.0.0.1"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        assert_eq!(client(ProxyHeaders::Forwarded, "127.0.0.1", &lines), expected, "{lines:?}");
    }
}

#[test]
fn only_the_header_that_proxies_replace_is_read() {
    let both = [("forwarded", "for=192.0.2.66"), ("x-forwarded-for", "198.51.100.1")];
    assert_eq!(client(ProxyHeaders::XForwarded, "127.0.0.1", &both), "198.51.100.1");
    assert_eq!(client(ProxyHeaders::Forwarded, "127.0.0.1", &both), "192.0.2.66");
    assert_eq!(client(ProxyHeaders::XForwarded, "127.0.0.1", &both[..1]), "127.0.0.1");
}
