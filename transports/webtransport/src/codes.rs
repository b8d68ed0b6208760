//! Close codes as QUIC and HTTP/3 carry them.

use crosspoint_core::Code;
use wtransport::VarInt;
use wtransport::error::ConnectionError;

/// A connection's error code: the close code of the table.
pub(crate) fn close(code: Code) -> VarInt {
    VarInt::from_u32(u32::from(code.close()))
}

/// Whether the client closed the session with the code of `bye`.
pub(crate) fn is_bye(end: &ConnectionError) -> bool {
    matches!(end, ConnectionError::ApplicationClosed(closed) if closed.code() == close(Code::Bye))
}

/// The HTTP/3 error code that stands for a WebTransport stream error (draft-ietf-webtrans-http3 §4.4), which browsers map back.
pub(crate) fn stream(code: Code) -> VarInt {
    h3(code.close())
}

fn h3(code: u16) -> VarInt {
    const FIRST: u64 = 0x52e4_a40f_a8db;
    let n = u64::from(code);
    VarInt::try_from(FIRST + n + n / 0x1e).unwrap_or(VarInt::from_u32(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_codes_skip_the_reserved_ones() {
        assert_eq!(h3(0).into_inner(), 0x52e4_a40f_a8db);
        // Every 0x1f-th code is reserved (RFC 9114 §8.1).
        for n in 0..2_000 {
            assert_ne!((h3(n).into_inner() - 0x21) % 0x1f, 0, "{n}");
        }
    }
}
