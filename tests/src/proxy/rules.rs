//! The vocabulary of faults. Everything here is also the JSON of the control endpoint.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// What the proxy does to its traffic. The default passes everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// What happens to new connections.
    pub accept: Accept,
    /// Bytes from the client to the hub.
    pub up: Lane,
    /// Bytes from the hub to the client.
    pub down: Lane,
    /// Faults of single HTTP exchanges; the first rule that selects a request holds.
    pub http: Vec<HttpRule>,
}

impl Rules {
    /// The same in both directions.
    pub fn both(lane: Lane) -> Self {
        Self { up: lane.clone(), down: lane, ..Self::default() }
    }

    /// Rules with one HTTP rule.
    pub fn http(matching: Match, action: Action) -> Self {
        Self::default().and_http(matching, action)
    }

    /// Adds an HTTP rule behind the ones that are there.
    pub fn and_http(mut self, matching: Match, action: Action) -> Self {
        self.http.push(HttpRule { matching, action });
        self
    }
}

/// What happens to new connections. Running ones are not touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// They are served.
    #[default]
    Serve,
    /// Nobody listens: the client gets "connection refused".
    Refuse,
    /// Accepted and reset at once.
    Reset,
    /// Accepted, and never heard of again.
    Ignore,
}

/// What happens to the bytes of one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lane {
    /// Latency added to every byte, in milliseconds; throughput stays.
    pub delay_ms: u64,
    /// Whether bytes pass.
    pub flow: Flow,
    /// At most so many bytes per second: a slow line, or a slow reader.
    pub bytes_per_s: Option<NonZeroU64>,
    /// Ends the connection after so many bytes.
    pub end_after: Option<EndAfter>,
}

impl Lane {
    /// Adds latency.
    pub fn delay(delay_ms: u64) -> Self {
        Self { delay_ms, ..Self::default() }
    }

    /// Lets bytes vanish; the connection looks alive.
    pub fn swallow() -> Self {
        Self { flow: Flow::Swallow, ..Self::default() }
    }

    /// Half-open: nothing is read any more, the socket stays.
    pub fn stall() -> Self {
        Self { flow: Flow::Stall, ..Self::default() }
    }

    /// Limits the rate; 0 means no limit.
    pub fn throttle(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: NonZeroU64::new(bytes_per_s), ..Self::default() }
    }

    /// Ends the connection once `bytes` have passed since it was opened.
    pub fn end_after(bytes: u64, with: End) -> Self {
        Self { end_after: Some(EndAfter { bytes, with }), ..Self::default() }
    }
}

/// Whether the bytes of a lane pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// They are read and thrown away, the sender's close and reset included.
    Swallow,
    /// They are not even read: the sender's window fills up. Passing again later loses nothing.
    Stall,
}

/// The end of a connection after a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndAfter {
    /// Bytes of this lane since the connection was opened; 0 ends it at once.
    pub bytes: u64,
    /// How, on both sides.
    #[serde(default)]
    pub with: End,
}

/// How a socket ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// FIN.
    Close,
    /// RST.
    #[default]
    Reset,
    /// Not at all: it stays open and silent.
    Keep,
}

/// A fault of single HTTP exchanges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// What happens to them.
    #[serde(rename = "do")]
    pub action: Action,
}

/// Which requests a rule selects. Requests that fit are counted from when the rule was set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The method, in capitals.
    pub method: Option<String>,
    /// How the path begins.
    pub path: Option<String>,
    /// Whether it asks for a WebSocket.
    pub upgrade: Option<bool>,
    /// So many fitting requests pass first.
    pub skip: u64,
    /// Then every *n*th is selected, beginning with the *n*th (absent: each).
    pub every: Option<NonZeroU64>,
    /// At most so many are selected.
    pub times: Option<u64>,
}

impl Match {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// WebSocket upgrades.
    pub fn upgrade() -> Self {
        Self { upgrade: Some(true), ..Self::default() }
    }

    /// POSTs whose path begins so.
    pub fn post(path: &str) -> Self {
        Self { method: Some("POST".into()), ..Self::path(path) }
    }

    /// Requests whose path begins so.
    pub fn path(path: &str) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Only every `n`th of them; 0 means each.
    pub fn every(mut self, n: u64) -> Self {
        self.every = NonZeroU64::new(n);
        self
    }

    /// Not the first `n`.
    pub fn skip(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// At most `n` of them.
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }
}

/// What happens to a selected HTTP exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Nothing: shields requests from the rules behind this one.
    Pass,
    /// The proxy answers by itself and closes; the hub sees nothing.
    Respond {
        /// The status.
        status: u16,
    },
    /// The upgrade headers are removed: the hub sees a plain GET.
    StripUpgrade,
    /// The upgrade's 101 passes, then nothing in either direction; a close passes.
    #[serde(rename = "silent_after_101")]
    SilentAfter101,
    /// The upgrade's 101 and so many further bytes to the client pass, then both sides are reset.
    #[serde(rename = "reset_after_101")]
    ResetAfter101 {
        /// Bytes behind the 101.
        #[serde(default)]
        bytes: u64,
    },
    /// The hub gets the request and answers in full (an event stream: begins to); the client never sees it.
    DropResponse {
        /// How the client's connection ends.
        #[serde(default)]
        with: End,
    },
    /// The answer is held back until its last byte is there, as virus scanners do.
    BufferResponse,
    /// The answer's body is cut after so many bytes, on both sides.
    CutResponse {
        /// Body bytes that pass, as encoded on the wire.
        bytes: u64,
        /// How both sides end.
        #[serde(default)]
        with: End,
    },
    /// The hub gets the request twice; the client gets the second answer.
    Duplicate,
    /// The request reaches the hub later by so many milliseconds.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The request waits until others that fit the same `match` have been answered.
    Hold {
        /// How many others (default 1).
        #[serde(default = "one")]
        overtaken_by: u64,
        /// It goes on after this time anyway (default 5,000 ms).
        #[serde(default = "five_seconds")]
        at_most_ms: u64,
    },
    /// The request is read, the hub never sees it, the client waits.
    Hang,
    /// The client's connection ends instead; the hub never sees the request.
    Refuse {
        /// How it ends.
        #[serde(default)]
        with: End,
    },
}

fn one() -> u64 {
    1
}

fn five_seconds() -> u64 {
    5_000
}
