//! Heads of HTTP/1.1 requests and answers: just what the proxy must know of them.

use bytes::{Bytes, BytesMut};

use super::body::Body;

const HEADERS_MAX: usize = 128;

/// A request's head.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) raw: Bytes,
    pub(super) method: String,
    pub(super) target: String,
    /// It asks for a WebSocket.
    pub(super) upgrade: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    pub(super) body: Body,
    closes: bool,
}

/// An answer's head.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) raw: Bytes,
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) event_stream: bool,
    closes: bool,
}

/// What a buffer begins with.
#[derive(Debug)]
pub(super) enum Parsed<T> {
    Partial,
    Malformed,
    Head(T),
}

impl RequestHead {
    /// Takes a request's head off the front of `buffer`.
    pub(super) fn parse(buffer: &mut BytesMut) -> Parsed<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Parsed::Partial,
            Err(_) => return Parsed::Malformed,
        };
        let (Some(method), Some(target)) = (request.method, request.path) else { return Parsed::Malformed };
        let Some(body) = framing(request.headers) else { return Parsed::Malformed };
        let head = Self {
            raw: Bytes::new(),
            method: method.to_owned(),
            target: target.to_owned(),
            upgrade: has(request.headers, "upgrade", "websocket")
                && has(request.headers, "connection", "upgrade"),
            expects_continue: has(request.headers, "expect", "100-continue"),
            body: body.unwrap_or(Body::Length(0)),
            closes: closes(request.headers, request.version),
        };
        Parsed::Head(Self { raw: buffer.split_to(length).freeze(), ..head })
    }

    /// The head as sent on, without what asks for a WebSocket.
    pub(super) fn without_upgrade(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.raw.len());
        for line in self.raw.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
            let asks = name == b"upgrade" || name == b"connection" || name.starts_with(b"sec-websocket-");
            if !asks {
                out.extend_from_slice(line);
            }
        }
        out.freeze()
    }
}

impl ResponseHead {
    /// Takes the head of the answer to `request` off the front of `buffer`.
    pub(super) fn parse(buffer: &mut BytesMut, request: &RequestHead) -> Parsed<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Parsed::Partial,
            Err(_) => return Parsed::Malformed,
        };
        let (Some(status), Some(body)) = (response.code, framing(response.headers)) else {
            return Parsed::Malformed;
        };
        let empty = request.method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
        let head = Self {
            raw: Bytes::new(),
            status,
            body: if empty { Body::Length(0) } else { body.unwrap_or(Body::UntilClose) },
            event_stream: has(response.headers, "content-type", "text/event-stream"),
            closes: closes(response.headers, response.version),
        };
        Parsed::Head(Self { raw: buffer.split_to(length).freeze(), ..head })
    }

    /// Whether the connections are over after this answer (RFC 9112 §9.6).
    pub(super) fn ends_connection(&self, request: &RequestHead) -> bool {
        self.closes || request.closes || self.body == Body::UntilClose
    }
}

/// `None`: contradictory. `Some(None)`: says nothing.
fn framing(headers: &[httparse::Header<'_>]) -> Option<Option<Body>> {
    if has(headers, "transfer-encoding", "chunked") {
        return Some(Some(Body::chunked()));
    }
    let mut lengths = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(first) = lengths.next() else { return Some(None) };
    if lengths.any(|other| other.value != first.value) {
        return None;
    }
    std::str::from_utf8(first.value).ok()?.trim().parse().ok().map(|length| Some(Body::Length(length)))
}

fn closes(headers: &[httparse::Header<'_>], version: Option<u8>) -> bool {
    has(headers, "connection", "close") || (version == Some(0) && !has(headers, "connection", "keep-alive"))
}

/// Whether the header names `token` in its comma-separated list; parameters behind `;` are ignored.
fn has(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).any(|header| {
        header.value.split(|byte| *byte == b',').any(|item| {
            let item = item.split(|byte| *byte == b';').next().unwrap_or_default();
            item.trim_ascii().eq_ignore_ascii_case(token.as_bytes())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> RequestHead {
        match RequestHead::parse(&mut BytesMut::from(text)) {
            Parsed::Head(head) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_taken_off_the_buffer() {
        let mut buffer =
            BytesMut::from("POST /a?b HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
        let Parsed::Head(head) = RequestHead::parse(&mut buffer) else { panic!("not a head") };
        assert_eq!((&head.method[..], &head.target[..], head.body), ("POST", "/a?b", Body::Length(3)));
        assert!(head.expects_continue && !head.upgrade);
        assert_eq!(&buffer[..], b"abc");
    }

    #[test]
    fn an_upgrade_can_be_stripped() {
        let head = request(
            "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: x\r\nOrigin: o\r\n\r\n",
        );
        assert!(head.upgrade);
        assert_eq!(&head.without_upgrade()[..], b"GET /ws HTTP/1.1\r\nHost: h\r\nOrigin: o\r\n\r\n");
    }

    #[test]
    fn what_is_not_http_1_is_malformed() {
        for text in
            ["PRI * HTTP/2.0\r\n\r\n", "\u{16}\u{3}\u{1}", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
        {
            let parsed = RequestHead::parse(&mut BytesMut::from(text));
            assert!(matches!(parsed, Parsed::Malformed), "{text:?}: {parsed:?}");
        }
    }

    #[test]
    fn an_answer_knows_where_its_body_ends() {
        let get = request("GET / HTTP/1.1\r\n\r\n");
        let head = request("HEAD / HTTP/1.1\r\n\r\n");
        let cases = [
            (&get, "HTTP/1.1 204 No Content\r\n\r\n", Body::Length(0), false),
            (&get, "HTTP/1.1 200 OK\r\n\r\n", Body::UntilClose, true),
            (&get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Body::chunked(), false),
            (
                &get,
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n",
                Body::Length(2),
                true,
            ),
            (&head, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", Body::Length(0), false),
        ];
        for (request, text, body, ends) in cases {
            let Parsed::Head(response) = ResponseHead::parse(&mut BytesMut::from(text), request) else {
                panic!("{text}")
            };
            assert_eq!((response.ends_connection(request), response.body), (ends, body), "{text}");
        }
    }
}
