//! Which address means what.

use super::api::Place;
use percent_encoding::percent_decode_str;

/// Where a request goes. Names in it are percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Negotiate,
    WebSocket,
    SseOpen,
    SseLink(String),
    RoomStream(String),
    WebRtcOpen,
    WebRtcPeer(String),
    /// Of the API for backends, or nowhere in it.
    Api(Place),
    /// The document that describes that API.
    OpenApi,
    Health,
    Ready,
    Metrics,
    /// A file of the demo.
    Demo(String),
    /// A file of the SDK.
    Sdk(String),
    Nowhere,
}

impl Route {
    /// The route of a path as it stands in the request line. What isn't UTF-8 after decoding leads nowhere.
    pub(crate) fn of(path: &str) -> Route {
        let decode = |s: &str| percent_decode_str(s).decode_utf8().ok().map(String::from);
        let mut parts = vec![];
        for part in path.strip_prefix('/').unwrap_or(path).split('/') {
            match decode(part) {
                Some(part) => parts.push(part),
                None => return Route::Nowhere,
            }
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts[..] {
            [""] => Route::Demo("index.html".into()),
            ["negotiate"] => Route::Negotiate,
            ["ws"] => Route::WebSocket,
            ["sse"] => Route::SseOpen,
            ["sse", link] if !link.is_empty() => Route::SseLink(link.into()),
            ["rooms", room, "events"] if !room.is_empty() => Route::RoomStream(room.into()),
            ["webrtc"] => Route::WebRtcOpen,
            ["webrtc", peer] if !peer.is_empty() => Route::WebRtcPeer(peer.into()),
            ["api", "v1", ref rest @ ..] => Route::Api(Place::of(rest)),
            ["openapi.json"] => Route::OpenApi,
            ["healthz"] => Route::Health,
            ["readyz"] => Route::Ready,
            ["metrics"] => Route::Metrics,
            ["demo", ref file @ ..] if !file.is_empty() => Route::Demo(file.join("/")),
            ["sdk", ref file @ ..] if !file.is_empty() => Route::Sdk(file.join("/")),
            _ => Route::Nowhere,
        }
    }

    /// The methods it takes, as in an `Allow` header (without OPTIONS, which every address answers).
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Route::Negotiate | Route::SseOpen | Route::SseLink(_) | Route::WebRtcOpen => "POST",
            Route::Api(place) => place.methods(),
            Route::WebRtcPeer(_) => "DELETE",
            Route::WebSocket | Route::RoomStream(_) => "GET",
            _ => "GET, HEAD",
        }
    }

    /// Whether anything is there.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Route::Nowhere => false,
            Route::Api(place) => place.exists(),
            _ => true,
        }
    }

    /// Whether it does or shows something that only pages of known origins may use.
    pub(crate) fn is_guarded(&self) -> bool {
        let is_public = matches!(
            self,
            Route::Health | Route::Ready | Route::Metrics | Route::Demo(_) | Route::Sdk(_) | Route::OpenApi
        );
        self.exists() && !is_public
    }

    /// Whether backends use it.
    pub(crate) fn is_api(&self) -> bool {
        matches!(self, Route::Api(_))
    }

    /// For metrics and logs, which hold no names.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Route::Negotiate => "negotiate",
            Route::WebSocket => "ws",
            Route::SseOpen => "sse",
            Route::SseLink(_) => "sse_uplink",
            Route::RoomStream(_) => "room_stream",
            Route::WebRtcOpen | Route::WebRtcPeer(_) => "webrtc",
            Route::Api(place) if place.exists() => "api",
            Route::Api(_) => "nowhere",
            Route::Health | Route::Ready | Route::Metrics => "operations",
            Route::Demo(_) | Route::Sdk(_) | Route::OpenApi => "files",
            Route::Nowhere => "nowhere",
        }
    }

    /// Every label.
    pub(crate) const LABELS: [&'static str; 10] = [
        "negotiate",
        "ws",
        "sse",
        "sse_uplink",
        "room_stream",
        "webrtc",
        "api",
        "operations",
        "files",
        "nowhere",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_per_segment() {
        assert_eq!(Route::of("/rooms/chat%3A1%2Fa/events"), Route::RoomStream("chat:1/a".into()));
        assert_eq!(
            Route::of("/api/v1/rooms/gr%C3%BC%C3%9Fe/history"),
            Route::Api(Place::of(&["rooms", "grüße", "history"]))
        );
        assert_eq!(Route::of("/api/v1/rooms/%ff/history"), Route::Nowhere);
        assert!(Route::of("/api/v1/sessions/s1").exists());
    }

    #[test]
    fn what_is_not_an_address_leads_nowhere() {
        for path in [
            "/x",
            "//",
            "/sse/",
            "/ws/",
            "/rooms//events",
            "/api/v1",
            "/api/v1/rooms/",
            "/api/v1//events",
            "/demo",
        ] {
            let route = Route::of(path);
            assert!(!route.exists() && !route.is_guarded() && route.label() == "nowhere", "{path}");
        }
        assert_eq!(Route::of("/"), Route::Demo("index.html".into()));
        assert_eq!(Route::of("/sdk/a/../b.js"), Route::Sdk("a/../b.js".into()));
    }

    #[test]
    fn labels_are_listed() {
        for path in [
            "/",
            "/ws",
            "/sse",
            "/sse/x",
            "/negotiate",
            "/metrics",
            "/nope",
            "/rooms/r/events",
            "/webrtc",
            "/webrtc/x",
            "/api/v1/rooms",
            "/api/v1/drain",
            "/api/v1/transports",
        ] {
            assert!(Route::LABELS.contains(&Route::of(path).label()), "{path}");
        }
    }
}
