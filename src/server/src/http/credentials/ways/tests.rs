use super::*;
use http::HeaderName;

const ALL: [Way; 9] = [
    Way::Bearer,
    Way::Cookie,
    Way::ApiKey,
    Way::SessionId,
    Way::Basic,
    Way::Subprotocol,
    Way::QueryToken,
    Way::QueryApiKey,
    Way::QuerySessionId,
];

fn ways(on: &[Way]) -> Ways {
    Ways::new(&Auth { ways: on.to_vec(), schemes: vec!["Session".into()], ..Auth::default() })
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    map
}

fn find(on: &[Way], pairs: &[(&'static str, &str)], query: &str) -> Result<Option<Credential>, Code> {
    let found = ways(on).find(&headers(pairs), Some(query), &Standing::NoOrigin);
    found.map(|shown| shown.map(|s| s.credential)).map_err(|fault| fault.code)
}

fn token(text: &str) -> Result<Option<Credential>, Code> {
    Ok(Some(Credential::Token(text.into())))
}

#[test]
fn each_way_is_found_where_it_is_on_and_only_there() {
    let basic = Credential::Basic("QWxhZGRpbjpvcGVuIHNlc2FtZQ==".into());
    let cases: [(Way, (&'static str, &str), &str, Credential); 9] = [
        (Way::Bearer, ("authorization", "bearer abc"), "", Credential::Token("abc".into())),
        (Way::Cookie, ("cookie", "x=1; crosspoint_token=abc"), "", Credential::Token("abc".into())),
        (Way::ApiKey, ("x-api-key", "abc"), "", Credential::ApiKey("abc".into())),
        (Way::SessionId, ("x-session-id", "abc"), "", Credential::SessionId("abc".into())),
        // The example of RFC 7617.
        (Way::Basic, ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "", basic),
        (
            Way::Subprotocol,
            ("sec-websocket-protocol", "crosspoint.v1, bearer.abc"),
            "",
            Credential::Token("abc".into()),
        ),
        (Way::QueryToken, ("accept", "x"), "a=b&token=a%2Bc", Credential::Token("a+c".into())),
        (Way::QueryApiKey, ("accept", "x"), "apiKey=abc", Credential::ApiKey("abc".into())),
        (Way::QuerySessionId, ("accept", "x"), "sessionId=abc", Credential::SessionId("abc".into())),
    ];
    for (way, header, query, credential) in cases {
        assert_eq!(find(&[way], &[header], query), Ok(Some(credential)), "{way:?}");
        let others: Vec<Way> = ALL.into_iter().filter(|other| *other != way).collect();
        assert_eq!(find(&others, &[header], query), Ok(None), "{way:?}");
    }
    let custom = Credential::Scheme { scheme: "Session".into(), credentials: "a b".into() };
    assert_eq!(find(&[], &[("authorization", "SESSION a b")], ""), Ok(Some(custom)));
    assert_eq!(find(&ALL, &[("authorization", "Digest a b")], "other=1"), Ok(None));
}

#[test]
fn several_that_differ_are_refused_and_the_same_one_twice_is_not() {
    let bearer = ("authorization", "Bearer abc");
    assert_eq!(find(&ALL, &[bearer, ("x-api-key", "abc")], "token=abc"), token("abc"));
    for other in [("authorization", "Bearer x"), ("x-api-key", "x"), ("x-session-id", "abc")] {
        assert_eq!(find(&ALL, &[bearer, other], ""), Err(Code::BadRequest), "{other:?}");
    }
    assert_eq!(find(&ALL, &[], "token=a&token=b"), Err(Code::BadRequest));
    assert_eq!(find(&Way::USUAL, &[bearer, ("x-session-id", "x")], "token=x"), token("abc"));
    // Nobody decides to send a cookie.
    assert_eq!(find(&ALL, &[bearer, ("cookie", "crosspoint_token=x")], ""), token("abc"));
}

#[test]
fn what_cannot_be_read_is_wrong() {
    for wrong in ["Basic", "Basic !", "Basic YWJj", "Basic /w=="] {
        assert_eq!(find(&ALL, &[("authorization", wrong)], ""), Err(Code::Unauthorized), "{wrong}");
    }
    assert_eq!(find(&ALL, &[("authorization", "Bearer")], ""), token(""));
    assert_eq!(find(&ALL, &[], "token=%FF"), Err(Code::Unauthorized));
    assert_eq!(find(&ALL, &[], "token=&apiKey"), Ok(None));
}

#[test]
fn cookies_are_those_of_known_pages() {
    let cookie = headers(&[("cookie", "crosspoint_token=abc"), ("sec-fetch-site", "cross-site")]);
    let shown = |standing| ways(&Way::USUAL).find(&cookie, None, &standing).unwrap();
    assert_eq!(shown(Standing::Anybody), None);
    assert_eq!(shown(Standing::NoOrigin), None);
    assert!(shown(Standing::Known("http://a".parse().unwrap())).is_some_and(|shown| shown.unasked));
    let other = Auth { cookie_name: "sid".into(), cookie_holds: CookieHolds::SessionId, ..Auth::default() };
    let found = Ways::new(&other).find(&headers(&[("cookie", "sid=7")]), None, &Standing::NoOrigin).unwrap();
    assert_eq!(found.unwrap().credential, Credential::SessionId("7".into()));
}

#[test]
fn secrets_leave_the_url() {
    let strip = |on: &[Way], uri: &str| {
        let mut uri = uri.parse().unwrap();
        ways(on).strip(&mut uri);
        uri.to_string()
    };
    assert_eq!(strip(&ALL, "/ws?token=abc"), "/ws");
    assert_eq!(
        strip(&ALL, "/rooms/a%2Fb/events?since=1&apiKey=abc&history=2"),
        "/rooms/a%2Fb/events?since=1&history=2"
    );
    assert_eq!(strip(&ALL, "http://host:1/ws?sessionId=abc"), "http://host:1/ws");
    assert_eq!(strip(&Way::USUAL, "/ws?token=abc"), "/ws?token=abc");
}

#[test]
fn a_401_says_what_would_do() {
    let all = |on: &[Way], pairs: &[(&'static str, &str)]| -> Vec<String> {
        let page = is_page(&headers(pairs));
        ways(on).challenges(page).iter().map(|v| v.to_str().unwrap().into()).collect()
    };
    let (bearer, session) = ("Bearer realm=\"crosspoint\"", "Session realm=\"crosspoint\"");
    assert_eq!(all(&ALL, &[]), [bearer, session, "Basic realm=\"crosspoint\", charset=\"UTF-8\""]);
    assert_eq!(all(&ALL, &[("origin", "http://a")]), [bearer, session]);
    let none = Ways::new(&Auth { ways: vec![], ..Auth::default() });
    assert_eq!(none.challenges(false), ["Bearer"]);
}
