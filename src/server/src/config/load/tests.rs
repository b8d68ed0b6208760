use super::*;
use crate::config::{LogFormat, Mode, Transports, WebRtc, WebTransport};
use std::net::SocketAddr;

fn file(text: &str) -> (tempfile::Guard, Inputs) {
    let guard = tempfile::write(text);
    let inputs = Inputs { file: Some(guard.0.clone()), ..Inputs::default() };
    (guard, inputs)
}

/// A file that is gone after the test.
mod tempfile {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    pub(super) struct Guard(pub(super) PathBuf);

    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    pub(super) fn write(text: &str) -> Guard {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("crosspoint-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Guard(path)
    }
}

fn with(mut inputs: Inputs, env: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Inputs {
    inputs.env = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    inputs.flags = flags.iter().map(|(k, v, f)| (k.to_string(), v.to_string(), f.to_string())).collect();
    inputs
}

fn faults(inputs: &Inputs) -> Vec<String> {
    load(inputs).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_set_means_the_defaults() {
    let config = load(&Inputs::default()).unwrap();
    let webtransport = WebTransport { enabled: true, assumed: true, ..WebTransport::default() };
    let webrtc = WebRtc { enabled: true, assumed: true, ..WebRtc::default() };
    let transports = Transports { webtransport, webrtc };
    // What is assumed of ICE is its own matter.
    let ice = config.ice.clone();
    assert_eq!(config, Config { transports, ice, ..Config::default() });
    assert_eq!(config.mode(), Mode::ImplicitDev);
    let names: Vec<_> = config.namespaces().into_iter().map(|n| (n.prefix, n.history_events)).collect();
    assert_eq!(names, [(String::new(), 0), ("chat:".into(), 1000)]);
}

#[test]
fn flags_win_over_environment_over_file() {
    let text = "[limits]\nrooms_max = 1\nsessions_max = 1\nframe_bytes_max = 1000\n[log]\nformat = 'json'\n";
    let (_guard, inputs) = file(text);
    let env =
        [("CROSSPOINT_LIMITS__ROOMS_MAX", "2"), ("CROSSPOINT_LIMITS__SESSIONS_MAX", "2"), ("PATH", "/")];
    let config = load(&with(inputs, &env, &[("limits.rooms_max", "3", "--set")])).unwrap();
    let l = &config.limits;
    assert_eq!((l.rooms_max, l.sessions_max, l.frame_bytes_max), (3, 2, 1000));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn environment_and_flags_can_say_everything() {
    let env = [
        ("CROSSPOINT_DEV", "true"),
        ("CROSSPOINT_LISTEN__ADDR", "127.0.0.1:0"),
        ("CROSSPOINT_AUTH__API_KEYS", "first-key-0123456, second-key-012345"),
        ("CROSSPOINT_ORIGINS__ALLOWED", "[\"https://a.example\"]"),
        ("CROSSPOINT_TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("CROSSPOINT_NAMESPACES", "[{prefix = 'chat:', history_events = 5}]"),
        ("CROSSPOINT_LIMITS__HISTORY_PAGE_MAX", "1_000"),
    ];
    let config = load(&with(Inputs::default(), &env, &[])).unwrap();
    assert_eq!(config.auth.api_keys, ["first-key-0123456".into(), "second-key-012345".into()]);
    assert_eq!((config.origins.allowed.len(), config.trusted_proxies.len()), (1, 2));
    assert_eq!((config.namespaces[0].history_events, config.limits.history_page_max), (5, 1000));
}

#[test]
fn variables_of_others_are_left_alone() {
    // What Kubernetes sets for a service named crosspoint.
    let env = [("CROSSPOINT_PORT", "tcp://10.0.0.1:3001"), ("CROSSPOINT_SERVICE_HOST", "10.0.0.1")];
    assert!(load(&with(Inputs::default(), &env, &[])).is_ok());
    let env = [("CROSSPOINT_LIMITS__ROOM_MAX", "1")];
    assert!(faults(&with(Inputs::default(), &env, &[]))[0].starts_with(
        "`limits.room_max` (environment variable CROSSPOINT_LIMITS__ROOM_MAX): there is no such key; known here: "
    ));
}

#[test]
fn every_fault_names_key_place_and_fix() {
    let text = "[listen]\naddr = 'here'\nport = 3001\n\n[limits]\nrooms_max = -1\n\n[[namespaces]]\nprefix = 'a:'\n\n[[namespaces]]\nhistory = 1\n";
    let (guard, inputs) = file(text);
    let path = guard.0.display();
    let inputs = with(
        inputs,
        &[("CROSSPOINT_THREADS", "many")],
        &[("log.level", "loud", "--log-level"), ("dev", "", "--dev")],
    );
    let found = faults(&inputs);
    let expected = [
        format!(
            "`limits.rooms_max` ({path} line 6): is a number, not a whole number that is not negative; give "
        ),
        format!(
            "`listen.addr` ({path} line 2): invalid socket address syntax; give text, like \"127.0.0.1:3001\""
        ),
        format!(
            "`listen.port` ({path} line 3): there is no such key; known here: listen.addr, listen.hsts_s, listen.proxy_protocol, listen.tls_cert, listen.tls_key"
        ),
        format!("`namespaces` ({path} line 11): number 2: unknown field `history`, expected one of `prefix`"),
        "`threads` (environment variable CROSSPOINT_THREADS): is not a whole number".into(),
        "`log.level` (flag --log-level): `loud` is not off, error".into(),
        "`dev` (flag --dev): is not true or false".into(),
    ];
    for beginning in &expected {
        assert!(found.iter().any(|f| f.starts_with(beginning.as_str())), "{beginning}\nin {found:#?}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let missing = Inputs { file: Some("/nowhere/c.toml".into()), ..Inputs::default() };
    assert!(faults(&missing)[0].starts_with("`(file)` (/nowhere/c.toml line 1): cannot be read"));
    assert!(load(&Inputs { file_if_there: Some("/nowhere/c.toml".into()), ..Inputs::default() }).is_ok());
    let (_guard, inputs) = file("[auth]\njwt_secret = \"topsecret\n");
    let fault = &faults(&inputs)[0];
    assert!(
        fault.starts_with("`(syntax)`") && fault.contains("line 2") && !fault.contains("topsecret"),
        "{fault}"
    );
}

#[test]
fn secrets_are_never_shown() {
    let secret = "0123456789abcdef0123456789abcdef";
    let (_guard, inputs) = file(&format!(
        "[auth]\njwt_secret = '{secret}'\napi_keys = ['{secret}']\n[listen]\naddr = '0.0.0.0:1'"
    ));
    let config = load(&inputs).unwrap();
    assert_eq!(config.mode(), Mode::Secured);
    assert!(config.namespaces().is_empty());
    assert!(!config.to_toml().contains(secret) && !format!("{config:?}").contains(secret));
    for text in [
        "jwt_secret = 1234567",
        "jwt_secret = '1234567'",
        "api_keys = ['1234567']",
        "api_keys = [1234567]",
        "services = ['1234567']",
        "services = [{name = 'sfu', key = '1234567'}]",
        "services = [{name = 'sfu', key = 1234567}]",
    ] {
        let (_guard, inputs) = file(&format!("[auth]\n{text}"));
        let fault = faults(&inputs).join("\n");
        assert!(fault.contains("line 2") && !fault.contains("1234567"), "{fault}");
    }
}

#[test]
fn beyond_loopback_somebody_must_say_who_may_connect() {
    let addr = ("listen.addr", "0.0.0.0:3001", "--listen");
    let dev = ("dev", "true", "--dev");
    let insecure = ("dev_insecure_listen", "true", "--dev-insecure-listen");
    let secret = ("auth.jwt_secret", "0123456789abcdef0123456789abcdef", "--set");
    let ask =
        |flags: &[(&str, &str, &str)]| load(&with(Inputs::default(), &[], flags)).map_err(|e| e.to_string());
    let refused = ask(&[addr]).unwrap_err();
    assert!(
        refused.contains("`listen.addr` (flag --listen)") && refused.contains("set auth.jwt_secret"),
        "{refused}"
    );
    assert!(ask(&[addr, dev]).unwrap_err().contains("--dev-insecure-listen"));
    assert!(ask(&[addr, insecure]).is_err());
    assert_eq!(ask(&[addr, dev, insecure]).unwrap().mode(), Mode::Dev);
    assert_eq!(ask(&[addr, secret]).unwrap().mode(), Mode::Secured);
    assert!(ask(&[("listen.addr", "[::1]:3001", "--listen")]).is_ok());
}

#[test]
fn values_must_fit_each_other() {
    let ask = |key: &str, value: &str| faults(&with(Inputs::default(), &[], &[(key, value, "--set")]));
    assert!(ask("listen.tls_cert", "a.pem")[0].contains("`listen.tls_key` (default): is missing"));
    assert!(ask("limits.post_bytes_max", "10")[0].contains("must be able to carry"));
    assert!(ask("limits.heartbeat_ms", "0")[0].contains("give at least 1"));
    assert!(ask("http.header_bytes_max", "100")[0].contains("below 8192"));
    assert!(ask("namespaces", "[{prefix='a'},{prefix='a'}]")[0].contains("two have the prefix `a`"));
    let services = |list: &str| ask("auth.services", list).join("\n");
    let key = "0123456789abcdef";
    let good = format!("[{{name = 'sfu', key = '{key}', attach = ['sfu:*']}}]");
    assert!(load(&with(Inputs::default(), &[("CROSSPOINT_AUTH__SERVICES", &good)], &[])).is_ok());
    let twice = services(&format!("[{{name = 'a', key = '{key}'}}, {{name = 'b', key = '{key}'}}]"));
    assert!(twice.contains("the key of `b` is there twice") && !twice.contains(key), "{twice}");
    assert!(services(&format!("[{{name = '', key = '{key}'}}]")).contains("is no name"));
    assert!(services("[{name = 'sfu'}]").contains("number 1: missing field `key`"));
    assert!(services(&format!("[{{name = 'sfu', key = '{key}', attached = []}}]")).contains("unknown field"));
    assert!(ask("nowhere.x", "1")[0].contains("known here: auth, dev, "));
}

#[test]
fn what_needs_udp_is_on_in_dev_mode_unless_somebody_says_otherwise() {
    let in_force = |env: &[(&str, &str)]| {
        let t = load(&with(Inputs::default(), env, &[])).unwrap().transports;
        [(t.webtransport.enabled, t.webtransport.assumed), (t.webrtc.enabled, t.webrtc.assumed)]
    };
    let webtransport = "CROSSPOINT_TRANSPORTS__WEBTRANSPORT__ENABLED";
    let webrtc = "CROSSPOINT_TRANSPORTS__WEBRTC__ENABLED";
    let secret = ("CROSSPOINT_AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let (off, assumed, asked) = ((false, false), (true, true), (true, false));
    assert_eq!(in_force(&[]), [assumed, assumed]);
    assert_eq!(in_force(&[(webtransport, "false")]), [off, assumed]);
    assert_eq!(in_force(&[(webrtc, "false")]), [assumed, off]);
    assert_eq!(in_force(&[secret]), [off, off]);
    assert_eq!(in_force(&[secret, (webtransport, "true"), (webrtc, "true")]), [asked, asked]);
}

#[test]
fn webrtc_listens_beside_http() {
    let addrs = |addrs: Vec<SocketAddr>, listen: &str| {
        let webrtc = WebRtc { addrs, ..WebRtc::default() };
        webrtc.addrs(listen.parse().unwrap()).iter().map(SocketAddr::to_string).collect::<Vec<_>>()
    };
    assert_eq!(addrs(vec![], "127.0.0.1:3001"), ["127.0.0.1:3002"]);
    assert_eq!(addrs(vec![], "127.0.0.1:0"), ["127.0.0.1:0"]);
    assert_eq!(addrs(vec![], "[::]:65535"), ["[::]:0", "0.0.0.0:0"]);
    assert_eq!(addrs(vec!["10.0.0.1:7".parse().unwrap()], "127.0.0.1:3001"), ["10.0.0.1:7"]);
}

#[test]
fn a_heartbeat_that_slow_networks_cannot_keep_is_warned_of() {
    let with_heartbeat = |ms: &str| {
        load(&with(Inputs::default(), &[], &[("limits.heartbeat_ms", ms, "--set")])).unwrap().warnings()
    };
    assert!(with_heartbeat("10000").is_empty());
    let warnings = with_heartbeat("2000").join("\n");
    assert!(
        warnings.contains("`limits.heartbeat_ms`") && warnings.contains("3000 ms of silence"),
        "{warnings}"
    );
    assert!(warnings.contains("sse") && !warnings.contains("websocket"), "{warnings}");
}

#[test]
fn addresses_of_hubs_are_absolute_and_hold_no_secrets() {
    let set = |text: &str| load(&with(Inputs::default(), &[], &[("drain.address", text, "--set")]));
    assert_eq!(
        set("https://hub-2.example.com/rt").unwrap().drain().address.as_deref(),
        Some("https://hub-2.example.com/rt")
    );
    for wrong in ["hub-2", "/rt", "ftp://hub-2", "https://u:p@hub-2", "https://hub-2/?token=x", "https://"] {
        assert!(set(wrong).unwrap_err().to_string().contains("is not the address of a hub"), "{wrong}");
    }
}

#[test]
fn a_preset_fills_in_what_nobody_set() {
    let text =
        "[rates]\npreset = 'public'\nburst_ms = 7\n[rates.session]\nframes_per_s = 0\njoins_per_s = 3\n";
    let (_guard, inputs) = file(text);
    let rates = load(&inputs).unwrap().rates;
    let public = crosspoint_hub::Rates::public();
    assert_eq!((rates.session.frames_per_s, rates.session.joins_per_s, rates.burst_ms), (0, 3, 7));
    assert_eq!(rates.session.publishes_per_s, public.session.publishes_per_s);
    assert_eq!((rates.address, rates.user, rates.room), (public.address, public.user, public.room));
    assert_eq!(load(&Inputs::default()).unwrap().rates, crosspoint_hub::Rates::default());
    let (_guard, inputs) = file("[rates.session]\nbytes_per_s = 2000000000\n[rates]\nentries_max = 0\n");
    let faults = faults(&inputs);
    assert!(faults[0].contains("`rates.session.bytes_per_s`") && faults[1].contains("`rates.entries_max`"));
}

#[test]
fn a_schema_that_is_none_is_found_when_the_configuration_is_checked() {
    let (schema, _) = file("{\"type\": \"elephant\"}");
    let text = format!("[[namespaces]]\nprefix = 'chat:'\nschemas = {{ msg = '{}' }}\n", schema.0.display());
    let (_guard, inputs) = file(&text);
    let faults = faults(&inputs);
    assert!(faults[0].contains("`namespaces`") && faults[0].contains("`msg` in `chat:`"), "{faults:?}");
}

#[test]
fn certificates_by_acme_are_for_names_that_can_be_proved() {
    let set = |pairs: &[(&str, &str)]| {
        let flags: Vec<_> = pairs.iter().map(|(key, value)| (*key, *value, "--set")).collect();
        load(&with(Inputs::default(), &[], &flags))
    };
    let domains = "listen.acme.domains";
    assert!(
        set(&[(domains, "hub.example.com,a.example"), ("listen.acme.contact", "mailto:a@b.example")]).is_ok()
    );
    for wrong in
        ["*.example.com", "https://hub.example.com", "hub.example.com:443", "192.0.2.1", "Hub.example.com"]
    {
        let fault = set(&[(domains, wrong)]).unwrap_err().to_string();
        assert!(fault.contains("`listen.acme.domains`") && fault.contains("is no name"), "{fault}");
    }
    let fault = set(&[(domains, "a.example"), ("listen.acme.directory", "http://a.example/dir")]);
    assert!(fault.unwrap_err().to_string().contains("`listen.acme.directory`"));
    let fault = set(&[(domains, "a.example"), ("listen.acme.contact", "you@a.example")]);
    assert!(fault.unwrap_err().to_string().contains("`listen.acme.contact`"));
    let fault = set(&[(domains, "a.example"), ("listen.tls_cert", "a"), ("listen.tls_key", "b")]);
    assert!(fault.unwrap_err().to_string().contains("choose one"));
    let fault = set(&[("listen.proxy_protocol", "true")]);
    assert!(fault.unwrap_err().to_string().contains("`listen.proxy_protocol`"));
}
