//! One TCP connection, with TLS where the address says so.

use super::{Address, Tls};
use crosspoint_core::{Code, Fault};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub(crate) type Io = Box<dyn Stream>;

/// Connects, within this time.
pub(crate) async fn dial(address: &Address, tls: &Tls, within: Duration) -> Result<Io, Fault> {
    match tokio::time::timeout(within, connect(address, tls)).await {
        Ok(done) => done,
        Err(_) => Err(Fault::new(
            Code::Timeout,
            format!("no connection to {} within {} ms", address.authority(), within.as_millis()),
        )),
    }
}

async fn connect(address: &Address, tls: &Tls) -> Result<Io, Fault> {
    let failed = |e: std::io::Error| {
        Fault::new(Code::Unavailable, format!("connecting to {}: {e}", address.authority()))
    };
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    if !address.tls {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| Fault::new(Code::BadRequest, format!("`{}` is no name for TLS", address.host)))?;
    let stream = tls.connector().await?.connect(name, tcp).await.map_err(failed)?;
    Ok(Box::new(stream))
}
