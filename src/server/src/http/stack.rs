//! What every request passes through, outermost first: [`Observe`] counts it, [`Guard`] checks its origin and speaks CORS, [`Deadline`]
//! bounds its time, [`Answer`] serves it.

use super::app::App;
use super::credentials::is_page;
use super::origin::Standing;
use super::problem;
use super::reply::{self, Reply};
use super::route::Route;
use super::serve::{Passed, Peer, answer};
use super::shield;
use crosspoint_core::{Code, Fault};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Service, ServiceBuilder, layer::layer_fn};

type Future = Pin<Box<dyn std::future::Future<Output = Result<Reply, Infallible>> + Send>>;
type Stack = Observe<Guard<Deadline<Answer>>>;

/// The whole stack over the front's state.
#[derive(Clone)]
pub(crate) struct Front(Stack);

impl Front {
    pub(crate) fn new(app: &Arc<App>) -> Front {
        let layers = ServiceBuilder::new()
            .layer(layer_fn(|inner| Observe { inner, app: app.clone() }))
            .layer(layer_fn(|inner| Guard { inner, app: app.clone() }))
            .layer(layer_fn(|inner| Deadline { inner, app: app.clone() }));
        Front(layers.service(Answer { app: app.clone() }))
    }

    /// Answers a request of the connection to `peer`.
    pub(crate) fn call(&self, peer: Peer, mut request: Request<Incoming>) -> Future {
        request.extensions_mut().insert(peer);
        self.0.clone().call(request)
    }
}

/// Counts responses, and logs them without names or addresses.
#[derive(Clone)]
struct Observe<S> {
    inner: S,
    app: Arc<App>,
}

/// Refuses pages of unknown origins, answers preflights, marks responses.
#[derive(Clone)]
struct Guard<S> {
    inner: S,
    app: Arc<App>,
}

/// Ends requests that take too long; links have times of their own.
#[derive(Clone)]
struct Deadline<S> {
    inner: S,
    app: Arc<App>,
}

#[derive(Clone)]
struct Answer {
    app: Arc<App>,
}

macro_rules! service {
    ($name:ident<S>, $call:item) => {
        impl<S> Service<Request<Incoming>> for $name<S>
        where
            S: Service<Request<Incoming>, Response = Reply, Error = Infallible, Future = Future>,
        {
            type Response = Reply;
            type Error = Infallible;
            type Future = Future;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                self.inner.poll_ready(cx)
            }

            $call
        }
    };
}

service! { Observe<S>,
    fn call(&mut self, mut request: Request<Incoming>) -> Future {
        let route = Route::of(request.uri().path());
        let label = route.label();
        let method = request.method().clone();
        request.extensions_mut().insert(route);
        let page = is_page(request.headers());
        let transport_security = shield::transport_security(&self.app, &request);
        let (answer, app) = (self.inner.call(request), self.app.clone());
        Box::pin(async move {
            let begun = Instant::now();
            let mut reply = answer.await?;
            if reply.status() == StatusCode::UNAUTHORIZED {
                app.door.challenge(page, reply.headers_mut());
            }
            shield::every(&mut reply, transport_security);
            app.counters.responded(label, reply.status());
            let ms = begun.elapsed().as_millis() as u64;
            tracing::debug!(%method, route = label, status = reply.status().as_u16(), ms, "answered");
            Ok(reply)
        })
    }
}

service! { Guard<S>,
    fn call(&mut self, mut request: Request<Incoming>) -> Future {
        let route = request.extensions_mut().remove::<Route>().unwrap_or(Route::Nowhere);
        let methods = route.methods();
        let (guarded, is_options) = (route.is_guarded(), request.method() == Method::OPTIONS);
        let standing = match guarded {
            true => self.app.origins.standing(&request),
            false => Ok(Standing::NoOrigin),
        };
        let standing = match standing {
            Ok(standing) => standing,
            Err(fault) => {
                let mut reply = refusal(route.is_api(), &fault);
                Standing::NoOrigin.mark(reply.headers_mut());
                return ready(reply);
            }
        };
        if is_options && route.exists() {
            let mut reply = reply::empty(StatusCode::NO_CONTENT);
            let headers = reply.headers_mut();
            headers.insert(http::header::ALLOW, http::HeaderValue::from_static(methods));
            if guarded {
                standing.mark(headers);
            }
            if request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
                Standing::mark_preflight(headers, methods);
            }
            return ready(reply);
        }
        request.extensions_mut().insert(Passed { route, standing: standing.clone() });
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut reply = answer.await?;
            if guarded {
                standing.mark(reply.headers_mut());
            }
            Ok(reply)
        })
    }
}

service! { Deadline<S>,
    fn call(&mut self, request: Request<Incoming>) -> Future {
        let passed = request.extensions().get::<Passed>();
        let bounded = passed.is_some_and(|p| matches!(p.route, Route::Negotiate | Route::WebRtcOpen) || p.route.is_api());
        let is_api = passed.is_some_and(|p| p.route.is_api());
        let answer = self.inner.call(request);
        if !bounded {
            return answer;
        }
        let within = self.app.request_time;
        Box::pin(async move {
            match tokio::time::timeout(within, answer).await {
                Ok(reply) => reply,
                Err(_) => Ok(refusal(is_api, &Code::Timeout.into())),
            }
        })
    }
}

impl Service<Request<Incoming>> for Answer {
    type Response = Reply;
    type Error = Infallible;
    type Future = Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Future {
        let extensions = request.extensions_mut();
        let known = (extensions.remove::<Passed>(), extensions.remove::<Peer>());
        let app = self.app.clone();
        Box::pin(async move {
            Ok(match known {
                (Some(passed), Some(Peer(peer))) => answer(&app, passed, peer, request).await,
                _ => reply::fault(&Fault::from(Code::Internal)),
            })
        })
    }
}

/// An error in the form of the address.
fn refusal(is_api: bool, fault: &Fault) -> Reply {
    if is_api { problem::problem(fault) } else { reply::fault(fault) }
}

fn ready(reply: Reply) -> Future {
    Box::pin(std::future::ready(Ok(reply)))
}
