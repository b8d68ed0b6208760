//! The HTTP front: connections ([`accept`], [`conn`]), what every request passes through ([`stack`]), where it goes
//! ([`route`], [`serve`]), and the answers.

pub(crate) mod accept;
mod api;
pub(crate) mod app;
mod body;
pub(crate) mod conn;
pub(crate) mod credentials;
pub(crate) mod drain;
mod files;
mod forwarded;
mod ice;
mod limits;
mod links;
mod metrics;
mod negotiate;
mod network;
mod origin;
mod problem;
mod proxy;
mod reply;
mod route;
mod serve;
mod shield;
pub(crate) mod stack;
pub(crate) mod webrtc;
pub(crate) mod webtransport;
