//! Deterministic simulation of both halves of a session: clients, a hub and the links between them, driven by one seed.
//!
//! A run is a [`profile`] and a seed. The [`world`] has a clock and a queue of events; [`link`]s die, stall, lose, repeat
//! and reorder; the [`hub`] around core's sessions is small and right by inspection; the [`model`] and its [`views`] know
//! what each application may see, and are asked at every step. After a quiet time all must have settled.
//!
//! `CROSSPOINT_SEED=<n> [CROSSPOINT_PROFILE=<name>]` replays one run, `CROSSPOINT_SEEDS=<n>` runs so many per profile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod acts;
mod app;
mod faults;
mod hellos;
mod hub;
mod link;
mod model;
mod net;
mod peer;
mod polls;
mod posts;
mod profile;
mod record;
mod requests;
mod rng;
mod rooms;
mod runs;
mod vectors;
mod views;
mod world;
