//! What only WebRTC has.

mod offers;
mod volatile;
