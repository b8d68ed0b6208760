//! What only WebTransport has.

mod certificates;
mod datagrams;
mod door;
mod ends;
mod plain;
