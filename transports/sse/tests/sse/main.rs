//! The transport behind a real HTTP server on loopback, over HTTP/1.1 and HTTP/2, seen by clients that read bytes.

#![cfg(test)]

mod support;

mod backpressure;
mod bodies;
mod plain;
mod poll;
mod stream;
mod takeover;
mod uplink;
