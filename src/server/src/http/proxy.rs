//! The PROXY protocol, versions 1 and 2 (haproxy's `proxy-protocol.txt`): a proxy's first words say whose connection it brings.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The shortest header of all: `PROXY UNKNOWN` and a line's end.
const BYTES_MIN: usize = 15;
const V1_BYTES_MAX: usize = 107;
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;
/// The largest header with everything that is attached to it. The format would allow 64 KiB.
const V2_BYTES_MAX: usize = 4096;

/// What a beginning of a header tells.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// At least so many bytes more belong to it.
    More(usize),
    /// It is complete; whose connection it is, if it says so.
    Whole(Option<IpAddr>),
}

/// Reads the header and nothing behind it. `None`: the proxy speaks for itself, or doesn't know.
pub(super) async fn source(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![];
    loop {
        match parse(&header).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))? {
            Seen::Whole(source) => return Ok(source.map(|ip| ip.to_canonical())),
            Seen::More(bytes) => {
                let known = header.len();
                header.resize(known + bytes, 0);
                stream.read_exact(&mut header[known..]).await?;
            }
        }
    }
}

fn parse(header: &[u8]) -> Result<Seen, &'static str> {
    if header.len() < BYTES_MIN {
        return Ok(Seen::More(BYTES_MIN - header.len()));
    }
    match header.strip_prefix(&V2_SIGNATURE) {
        Some(rest) => version_2(rest),
        None => version_1(header),
    }
}

fn version_1(header: &[u8]) -> Result<Seen, &'static str> {
    let rest = header.strip_prefix(b"PROXY ").ok_or("no PROXY header")?;
    let Some(line) = rest.strip_suffix(b"\r\n") else {
        let more = if header.ends_with(b"\r") { 1 } else { 2 };
        let fits = header.len() + more <= V1_BYTES_MAX && !rest.contains(&b'\n');
        return if fits { Ok(Seen::More(more)) } else { Err("a PROXY line without an end") };
    };
    let line = std::str::from_utf8(line).map_err(|_| "a PROXY line that isn't text")?;
    let mut words = line.split(' ');
    let source = match words.next() {
        Some("UNKNOWN") => return Ok(Seen::Whole(None)),
        Some("TCP4") => addresses::<Ipv4Addr>(&mut words),
        Some("TCP6") => addresses::<Ipv6Addr>(&mut words),
        _ => None,
    };
    let source = source.filter(|_| words.next().is_none());
    source.map(|ip| Seen::Whole(Some(ip))).ok_or("a PROXY line of another form")
}

/// Source and destination, then their ports.
fn addresses<'a, A: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'a str>) -> Option<IpAddr> {
    let source = words.next()?.parse::<A>().ok()?;
    words.next()?.parse::<A>().ok()?;
    for _ in 0..2 {
        let port = words.next()?;
        port.parse::<u16>().ok().filter(|n| n.to_string() == port)?;
    }
    Some(source.into())
}

/// What follows the signature.
fn version_2(rest: &[u8]) -> Result<Seen, &'static str> {
    let &[command, family, high, low, ref body @ ..] = rest else {
        return Ok(Seen::More(V2_HEAD_BYTES - V2_SIGNATURE.len() - rest.len()));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if V2_HEAD_BYTES + length > V2_BYTES_MAX {
        return Err("a PROXY header that is too large");
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err("a PROXY header of another version or command"),
    };
    if body.len() < length {
        return Ok(Seen::More(length - body.len()));
    }
    if is_local {
        return Ok(Seen::Whole(None));
    }
    // Two addresses and two ports; what follows them is skipped, and of other families all.
    let source = match (family, body) {
        (0x11, &[a, b, c, d, ..]) if length >= 12 => Some(Ipv4Addr::new(a, b, c, d).into()),
        (0x21, _) if length >= 36 => body.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).into()),
        (0x11 | 0x21, _) => return Err("a PROXY header without its addresses"),
        _ => None,
    };
    Ok(Seen::Whole(source))
}

#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
