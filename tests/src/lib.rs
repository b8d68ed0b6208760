//! Tools for tests of the whole.
//!
//! [`proxy`] is a TCP proxy that breaks connections on demand, the way middleboxes and radio links do.

pub mod proxy;
