//! The `crosspoint` binary.

use clap::Parser as _;
use crosspoint::cli::Cli;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// It gives memory back when sessions have gone; glibc keeps what they had.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
