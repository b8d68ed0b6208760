//! Links by DataChannel, with the webrtc crate's own peer at the other end.

mod closing;
mod echo;
mod flow;
mod hostile;
mod support;
