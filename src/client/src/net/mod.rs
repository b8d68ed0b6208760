//! Sockets: addresses, TCP and TLS, POSTs.

mod address;
mod dial;
mod http;
mod tls;

pub(crate) use address::{Address, Base};
pub(crate) use dial::{Io, dial};
pub(crate) use http::{Http, body_of, fault_of, host_header};
pub(crate) use tls::Tls;
