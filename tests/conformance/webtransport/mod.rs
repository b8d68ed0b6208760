//! What only WebTransport has.

mod beside;
mod certificates;
mod datagrams;
mod door;
mod ends;
mod plain;
