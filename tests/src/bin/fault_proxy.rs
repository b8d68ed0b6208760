//! The fault proxy as a process, for tests that aren't written in Rust. `tests/README.md` shows its use.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crosspoint_tests::parent;
use crosspoint_tests::proxy::{FaultProxy, Options, control};
use tokio::net::TcpListener;

const USAGE: &str = "usage: fault-proxy --upstream ADDRESS [--listen ADDRESS] [--control ADDRESS]
                   [--receive-buffer BYTES]

Ports default to free ones of 127.0.0.1. The first line on stdout is JSON with both addresses:
{\"listen\": \"127.0.0.1:1234\", \"control\": \"127.0.0.1:1235\"}
Ends when stdin does, so that it never outlives the test that started it.";

struct Arguments {
    options: Options,
    control: SocketAddr,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut upstream = None;
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut control = listen;
    let mut receive_buffer_bytes = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match &name[..] {
            "--upstream" => upstream = Some(value.parse()?),
            "--listen" => listen = value.parse()?,
            "--control" => control = value.parse()?,
            "--receive-buffer" => receive_buffer_bytes = Some(value.parse()?),
            _ => return Err(USAGE.into()),
        }
    }
    let options = Options { listen, receive_buffer_bytes, ..Options::new(upstream.ok_or(USAGE)?) };
    Ok(Arguments { options, control })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { options, control } = arguments()?;
    let listener = TcpListener::bind(control).await?;
    let proxy = Arc::new(FaultProxy::start(options).await?);
    parent::tell_addresses(&[("listen", proxy.address()), ("control", listener.local_addr()?)])?;
    parent::end_with_stdin();
    Ok(control::serve(listener, proxy).await?)
}
