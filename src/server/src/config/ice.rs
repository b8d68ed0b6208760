//! `[ice]`: STUN and TURN, the hub's own and others' (docs/ice.md).

use super::Config;
use super::check::Report;
use super::value::{IceUrl, Net, Secret};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The port of STUN and TURN (RFC 8489 §18.6).
const PORT: u16 = 3478;
/// The shortest secret, bytes.
const SECRET_BYTES_MIN: usize = 16;
/// Credentials live so long, s.
const TTL_S: std::ops::RangeInclusive<u64> = 60..=604_800;

/// `[ice]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ice {
    /// Whether the hub answers STUN. In dev mode on loopback it does, with TURN, unless one of both is set.
    pub stun: bool,
    /// Nobody asked for STUN and TURN: a port that is taken is no reason not to start.
    #[serde(skip)]
    pub assumed: bool,
    /// Address and port of STUN and TURN; the IP of `listen.addr` and 3478 where there is none.
    pub addr: Option<SocketAddr>,
    /// Where clients find it, one per family; the IP that it listens on where there is none.
    pub public_addresses: Vec<IpAddr>,
    /// STUN requests per second that are taken from one address.
    pub address_requests_per_s: u32,
    /// Others' servers, handed out as they are.
    pub servers: Vec<StaticServer>,
    /// The hub's own relay.
    pub turn: Turn,
    /// A coturn beside the hub.
    pub coturn: Coturn,
}

/// One of `ice.servers`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticServer {
    /// Its addresses.
    pub urls: Vec<IceUrl>,
    /// The name to give there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password, which every client gets to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
}

/// `[ice.turn]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// Whether the hub relays; it answers STUN then, too.
    pub enabled: bool,
    /// The secret of the credentials; made anew at each start where there is none.
    pub secret: Option<Secret>,
    /// How long credentials are good, s.
    pub ttl_s: u64,
    /// The first port of relayed addresses.
    pub port_min: u16,
    /// The last one.
    pub port_max: u16,
    /// Peers that may be reached although they are not on the Internet.
    pub allow_peers: Vec<Net>,
    /// Allocations at once.
    pub allocations_max: usize,
    /// Allocations of one user at once.
    pub user_allocations_max: usize,
    /// Bytes per second relayed for a user.
    pub user_bytes_per_s: u64,
    /// Bytes relayed for a user in 24 hours.
    pub user_bytes_per_day: u64,
    /// Bytes per second relayed for all; 0: no bound.
    pub bytes_per_s: u64,
    /// The longest life of an allocation, s.
    pub allocation_s: u64,
    /// TCP connections at once; 0: no TCP.
    pub connections_max: usize,
    /// TCP connections of one address at once.
    pub address_connections_max: usize,
}

/// `[ice.coturn]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coturn {
    /// Its addresses.
    pub urls: Vec<IceUrl>,
    /// Its `static-auth-secret`.
    pub secret: Option<Secret>,
    /// How long credentials are good, s.
    pub ttl_s: u64,
}

impl Default for Ice {
    fn default() -> Ice {
        Ice {
            stun: false,
            assumed: false,
            addr: None,
            public_addresses: vec![],
            address_requests_per_s: 200,
            servers: vec![],
            turn: Turn::default(),
            coturn: Coturn::default(),
        }
    }
}

impl Default for Turn {
    fn default() -> Turn {
        Turn {
            enabled: false,
            secret: None,
            ttl_s: 3_600,
            port_min: 49_152,
            port_max: 65_535,
            allow_peers: vec![],
            allocations_max: 1_000,
            user_allocations_max: 16,
            user_bytes_per_s: 2_000_000,
            user_bytes_per_day: 20_000_000_000,
            bytes_per_s: 0,
            allocation_s: 43_200,
            connections_max: 1_000,
            address_connections_max: 100,
        }
    }
}

impl Default for Coturn {
    fn default() -> Coturn {
        Coturn { urls: vec![], secret: None, ttl_s: 3_600 }
    }
}

impl Config {
    /// Where STUN and TURN listen.
    pub fn ice_addr(&self) -> SocketAddr {
        self.ice.addr.unwrap_or_else(|| SocketAddr::new(self.listen.addr.ip(), PORT))
    }

    /// On an open hub that only this machine reaches: STUN and TURN, for what is on this machine.
    pub(super) fn assume_ice(&mut self, is_set: impl Fn(&str) -> bool) {
        let loopback = self.ice_addr().ip().is_loopback() && self.listen.addr.ip().is_loopback();
        if !self.is_open() || !loopback || is_set("ice.stun") || is_set("ice.turn.enabled") {
            return;
        }
        let ice = &mut self.ice;
        (ice.stun, ice.turn.enabled, ice.assumed) = (true, true, true);
        if !is_set("ice.turn.allow_peers") {
            ice.turn.allow_peers = Net::loopback();
        }
    }
}

pub(super) fn check(config: &Config, fault: &mut Report<'_>) {
    let Config { ice, .. } = config;
    let Ice { turn, coturn, .. } = ice;
    let own = ice.stun || turn.enabled;
    if own && config.ice_addr().ip().is_unspecified() && ice.public_addresses.is_empty() {
        let problem = "is missing, and STUN listens on all addresses";
        fault("ice.public_addresses", problem.into(), "give the address at which clients find this machine");
    }
    for is_v4 in [true, false] {
        if ice.public_addresses.iter().filter(|ip| ip.is_ipv4() == is_v4).count() > 1 {
            fault(
                "ice.public_addresses",
                "has two of one family".into(),
                "give one IPv4 and one IPv6 address at most",
            );
        }
    }
    if ice.public_addresses.iter().any(|ip| ip.is_unspecified() || ip.is_multicast()) {
        fault(
            "ice.public_addresses",
            "is no address of a machine".into(),
            "give the one that clients connect to",
        );
    }
    let fix = "make one, for example with `openssl rand -base64 24`";
    for (key, secret) in [("ice.turn.secret", &turn.secret), ("ice.coturn.secret", &coturn.secret)] {
        if let Some(secret) = secret.as_ref().filter(|s| s.bytes().len() < SECRET_BYTES_MIN) {
            fault(key, format!("has {} bytes, fewer than {SECRET_BYTES_MIN}", secret.bytes().len()), fix);
        }
    }
    for (key, ttl_s) in [("ice.turn.ttl_s", turn.ttl_s), ("ice.coturn.ttl_s", coturn.ttl_s)] {
        if !TTL_S.contains(&ttl_s) {
            fault(
                key,
                format!("is not between {} and {}", TTL_S.start(), TTL_S.end()),
                "an hour is usual: 3600",
            );
        }
    }
    match (coturn.urls.is_empty(), coturn.secret.is_some()) {
        (true, true) => {
            fault("ice.coturn.urls", "is missing".into(), "say where coturn is: turn:turn.example.com:3478")
        }
        (false, false) => {
            fault("ice.coturn.secret", "is missing".into(), "give what coturn has as `static-auth-secret`")
        }
        _ => {}
    }
    for server in &ice.servers {
        if server.urls.is_empty() {
            fault("ice.servers", "one has no `urls`".into(), "give its addresses, or leave it out");
        }
        let relays = server.urls.iter().any(IceUrl::is_turn);
        if relays && (server.username.is_none() || server.credential.is_none()) {
            let fix = "give `username` and `credential`, without which browsers refuse it";
            fault("ice.servers", "a TURN server has no credentials".into(), fix);
        }
    }
    if turn.port_min < 1024 || turn.port_min > turn.port_max {
        let problem = format!("{} to {} is no range of ports from 1024 up", turn.port_min, turn.port_max);
        fault("ice.turn.port_min", problem, "49152 to 65535 are the ports meant for this");
    }
    let positive = [
        ("ice.address_requests_per_s", u64::from(ice.address_requests_per_s)),
        ("ice.turn.allocations_max", turn.allocations_max as u64),
        ("ice.turn.user_allocations_max", turn.user_allocations_max as u64),
        ("ice.turn.user_bytes_per_s", turn.user_bytes_per_s),
        ("ice.turn.user_bytes_per_day", turn.user_bytes_per_day),
        ("ice.turn.allocation_s", turn.allocation_s),
        ("ice.turn.address_connections_max", turn.address_connections_max as u64),
    ];
    for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
        fault(key, "is 0".into(), "give at least 1");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, load};
    use super::*;

    fn loaded(flags: &[(&str, &str)]) -> Result<Config, String> {
        let flags = flags.iter().map(|(k, v)| (k.to_string(), v.to_string(), format!("--set {k}")));
        load(&Inputs { flags: flags.collect(), ..Inputs::default() }).map_err(|e| e.to_string())
    }

    const JWT: (&str, &str) = ("auth.jwt_secret", "0123456789abcdef0123456789abcdef");

    #[test]
    fn an_open_hub_on_loopback_has_both_unless_told_otherwise() {
        let dev = loaded(&[]).unwrap();
        assert!(dev.ice.stun && dev.ice.turn.enabled && dev.ice.assumed);
        assert_eq!(dev.ice_addr().to_string(), "127.0.0.1:3478");
        assert!(dev.ice.turn.allow_peers.iter().any(|n| n.contains("127.0.0.1".parse().unwrap())));
        let own = loaded(&[("ice.turn.allow_peers", "10.0.0.0/8"), ("ice.addr", "127.0.0.1:0")]).unwrap();
        assert!(own.ice.assumed && !own.ice.turn.allow_peers[0].contains("127.0.0.1".parse().unwrap()));
        assert!(!loaded(&[("ice.stun", "false")]).unwrap().ice.turn.enabled);
        let stun = loaded(&[("ice.stun", "true")]).unwrap().ice;
        assert!(stun.stun && !stun.turn.enabled && !stun.assumed);
        let beyond = [("dev", "true"), ("dev_insecure_listen", "true"), ("listen.addr", "0.0.0.0:1")];
        assert!(!loaded(&beyond).unwrap().ice.stun);
        assert!(!loaded(&[JWT]).unwrap().ice.stun);
    }

    #[test]
    fn what_cannot_work_is_said() {
        let faults = |flags: &[(&str, &str)]| loaded(&[&[JWT], flags].concat()).unwrap_err();
        let listen = ("listen.addr", "0.0.0.0:3001");
        assert!(
            faults(&[listen, ("ice.stun", "true")]).contains("`ice.public_addresses` (default): is missing")
        );
        let stun = [listen, ("ice.stun", "true"), ("ice.public_addresses", "203.0.113.7,2001:db8::7")];
        assert!(loaded(&[&[JWT], &stun[..]].concat()).is_ok());
        for (key, value, problem) in [
            ("ice.turn.secret", "short", "has 5 bytes"),
            ("ice.public_addresses", "192.0.2.1,192.0.2.2", "two of one family"),
            ("ice.public_addresses", "0.0.0.0", "no address of a machine"),
            ("ice.turn.ttl_s", "5", "not between 60 and 604800"),
            ("ice.turn.port_min", "80", "80 to 65535"),
            ("ice.turn.port_max", "2000", "49152 to 2000"),
            ("ice.turn.user_allocations_max", "0", "is 0"),
            ("ice.coturn.secret", "0123456789abcdef", "`ice.coturn.urls` (default): is missing"),
            ("ice.coturn.urls", "turn:h", "`ice.coturn.secret` (default): is missing"),
            ("ice.coturn.urls", "https://h", "is not the address of a STUN or TURN server"),
            ("ice.servers", "[{urls = []}]", "has no `urls`"),
            ("ice.servers", "[{urls = [\"turn:h\"]}]", "has no credentials"),
            ("ice.servers", "[{url = \"stun:h\"}]", "unknown field `url`"),
            ("ice.turn.allow_peers", "localhost", "neither an address nor a network"),
        ] {
            let all = faults(&[(key, value)]);
            assert!(all.contains(problem), "{key}={value}: {all}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let servers = r#"[{urls = ["turn:h"], username = "u", credential = "hidden-credential"}]"#;
        let config = loaded(&[
            ("ice.turn.secret", "hidden-turn-secret"),
            ("ice.coturn.secret", "hidden-coturn-secret"),
            ("ice.coturn.urls", "turns:turn.example.com:5349?transport=tcp"),
            ("ice.servers", servers),
        ]);
        let config = config.unwrap();
        for shown in [config.to_toml(), format!("{config:?}")] {
            assert!(shown.contains("turns:turn.example.com") && !shown.contains("hidden"), "{shown}");
        }
        let fault = loaded(&[("ice.servers", r#"[{urls = ["stun:h"], credential = 7}]"#)]).unwrap_err();
        assert!(fault.contains("a secret is not text"), "{fault}");
    }
}
