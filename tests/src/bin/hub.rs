//! The hub's own command line in a process that ends when its stdin does, for tests that look at it from outside.

use clap::Parser as _;
use crosspoint::cli::Cli;
use crosspoint_tests::parent;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// As in the hub's own binary.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    parent::end_with_stdin();
    Cli::parse().run()
}
