//! Tools for tests of the whole.
//!
//! [`proxy`] is a TCP proxy that breaks connections on demand, the way middleboxes and radio links do. [`echo`] sends
//! every message of a link back. [`parent`] is for processes that tests start, [`udp`] a relay that loses packets.

pub mod echo;
pub mod parent;
pub mod proxy;
pub mod udp;
