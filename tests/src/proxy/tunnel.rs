//! What comes behind a 101, and what isn't HTTP/1.1: bytes in both directions.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};

use super::peer::{Peer, Socket};
use super::rules::End;

/// What a tunnel lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    All,
    Nothing,
    /// So many bytes to the client, then the end.
    Down(u64),
}

/// How a tunnel ended.
#[derive(Debug)]
pub(super) enum TunnelEnd {
    /// Both sides closed.
    Closed,
    /// The client's side failed.
    ClientFailed,
    /// The hub's side failed.
    UpstreamFailed(io::Error),
    /// The rule's bytes have passed.
    Rule,
}

/// Carries bytes both ways, each side's close as well.
pub(super) async fn run(
    client: Peer<DuplexStream>,
    upstream: Peer<Socket>,
    passing: Passing,
    upstream_closed: impl FnOnce(),
) -> TunnelEnd {
    let (up_limit, down_limit) = match passing {
        Passing::All => (None, None),
        Passing::Nothing => (Some(0), Some(0)),
        Passing::Down(bytes) => (None, Some(bytes)),
    };
    let ends = matches!(passing, Passing::Down(_));
    let (client_read, client_write) = tokio::io::split(client.stream);
    let up = Peer { stream: client_read, buffer: client.buffer };
    let down = Peer { stream: upstream.stream.clone(), buffer: upstream.buffer };
    let up = carry(up, upstream.stream, up_limit, false);
    let down = async {
        let result = carry(down, client_write, down_limit, ends).await;
        if matches!(result, Ok(false)) {
            upstream_closed();
        }
        result
    };
    tokio::pin!(up, down);
    let (mut up_open, mut down_open) = (true, true);
    while up_open || down_open {
        tokio::select! {
            result = &mut up, if up_open => match result {
                Ok(_) => up_open = false,
                Err(Side::Read(_)) => return TunnelEnd::ClientFailed,
                Err(Side::Write(error)) => return TunnelEnd::UpstreamFailed(error),
            },
            result = &mut down, if down_open => match result {
                Ok(false) => down_open = false,
                Ok(true) => return TunnelEnd::Rule,
                Err(Side::Read(error)) => return TunnelEnd::UpstreamFailed(error),
                Err(Side::Write(_)) => return TunnelEnd::ClientFailed,
            },
        }
    }
    TunnelEnd::Closed
}

enum Side {
    Read(io::Error),
    Write(io::Error),
}

/// Returns `true` if the limit was reached and ends the tunnel; bytes beyond a limit that doesn't are dropped.
async fn carry(
    mut from: Peer<impl AsyncRead + Unpin>,
    mut to: impl AsyncWrite + Unpin,
    limit: Option<u64>,
    ends: bool,
) -> Result<bool, Side> {
    let mut left = limit;
    loop {
        let bytes = from.buffer.split();
        let pass =
            left.map_or(bytes.len(), |left| bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if pass > 0 {
            to.write_all(&bytes[..pass]).await.map_err(Side::Write)?;
        }
        left = left.map(|left| left - pass as u64);
        if ends && left == Some(0) {
            return Ok(true);
        }
        if from.fill().await.map_err(Side::Read)? == 0 {
            // The other side may be gone already; then its own direction tells.
            let _ = to.shutdown().await;
            return Ok(false);
        }
    }
}

impl TunnelEnd {
    /// How the sockets of client and hub end.
    pub(super) fn ends(&self) -> (End, End) {
        match self {
            Self::Closed => (End::Close, End::Close),
            Self::ClientFailed | Self::UpstreamFailed(_) | Self::Rule => (End::Reset, End::Reset),
        }
    }
}
