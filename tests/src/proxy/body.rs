//! Finds the end of an HTTP/1.1 body (RFC 9112 §6, §7.1) in bytes that are passed on as they are.

/// How a body's end is known, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// Until the sender closes.
    UntilClose,
}

/// Where in the chunked coding the scan stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In a chunk's size; nothing of it yet.
    #[default]
    Start,
    Size(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    LastLf,
    Done,
}

/// The bytes are not what the framing promised.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Body {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::default())
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Whether the sender's close is this body's proper end.
    pub(super) fn may_end_here(&self) -> bool {
        self.is_done() || *self == Self::UntilClose
    }

    /// Takes as many of `bytes` as belong to the body; returns how many.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunk) => {
                let mut taken = 0;
                while taken < bytes.len() && *chunk != Chunk::Done {
                    taken += chunk.step(&bytes[taken..])?;
                }
                Ok(taken)
            }
        }
    }
}

impl Chunk {
    /// Takes at least one byte of the non-empty `bytes`.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        if let Self::Data(left) = self {
            let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= taken as u64;
            if *left == 0 {
                *self = Self::DataCr;
            }
            return Ok(taken);
        }
        *self = match (*self, bytes[0]) {
            (Self::Start, byte) => Self::Size(hex(byte).ok_or(Malformed)?),
            (Self::Size(size), b'\r') | (Self::Extension(size), b'\r') => Self::SizeLf(size),
            (Self::Size(size), b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size(size), byte) => {
                let digit = hex(byte).ok_or(Malformed)?;
                Self::Size(size.checked_mul(16).and_then(|size| size.checked_add(digit)).ok_or(Malformed)?)
            }
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::SizeLf(0), b'\n') => Self::TrailerStart,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Start,
            (Self::TrailerStart, b'\r') => Self::LastLf,
            (Self::Trailer, b'\n') => Self::TrailerStart,
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::LastLf, b'\n') => Self::Done,
            _ => return Err(Malformed),
        };
        Ok(1)
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_ends_where_it_says() {
        let mut body = Body::Length(5);
        assert_eq!(body.take(b"abc"), Ok(3));
        assert!(!body.is_done());
        assert_eq!(body.take(b"deGET /"), Ok(2));
        assert!(body.is_done());
    }

    #[test]
    fn chunks_end_after_the_trailer_however_they_are_cut() {
        let wire = b"5;x=y\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n";
        for piece in 1..wire.len() {
            let mut body = Body::chunked();
            let mut sent = wire.to_vec();
            sent.extend_from_slice(b"next");
            let mut taken = 0;
            for bytes in sent.chunks(piece) {
                taken += body.take(bytes).unwrap();
                if body.is_done() {
                    break;
                }
            }
            assert_eq!((taken, body.is_done()), (wire.len(), true), "pieces of {piece}");
        }
    }

    #[test]
    fn chunks_that_lie_are_malformed() {
        for wire in [&b"x\r\n"[..], b"2\r\nabc", b"1\nx", b"fffffffffffffffff\r\n", b"\r\n"] {
            assert_eq!(Body::chunked().take(wire), Err(Malformed), "{wire:?}");
        }
    }
}
