//! A WebSocket echo server on the hub's WebSocket transport, for the Autobahn suite. Prints `{"listen": …}`, and ends when
//! its stdin does.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use crosspoint_core::{Acceptor, LinkInfo};
use crosspoint_tests::echo::Echo;
use crosspoint_tests::parent;
use crosspoint_websocket::{Config, upgrade};
use http::Request;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The suite sends messages of 16 MiB.
const MESSAGE_BYTES_MAX: usize = 17 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    parent::tell_addresses(&[("listen", listener.local_addr()?)])?;
    parent::end_with_stdin();
    let echo: Arc<dyn Acceptor> = Arc::new(Echo);
    loop {
        let (stream, _) = listener.accept().await?;
        let echo = Arc::clone(&echo);
        let service = service_fn(move |request: Request<Incoming>| {
            let echo = Arc::clone(&echo);
            async move {
                Ok::<_, Infallible>(match upgrade(&request) {
                    Ok((response, accept)) => {
                        accept.serve(LinkInfo::default(), echo, Config::new(MESSAGE_BYTES_MAX));
                        response.map(|()| Empty::<Bytes>::new())
                    }
                    Err(refusal) => refusal.response().map(|()| Empty::new()),
                })
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}
