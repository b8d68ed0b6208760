//! `crosspoint serve`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::config::{Config, Mode};
use crate::{Running, Server, logs};
use std::io::{self, Write as _};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn serve(options: &ConfigOptions) -> Result<(), Failure> {
    let config = options.load()?;
    logs::start(&config.log)?;
    raise_descriptor_limit();
    let runtime = match config.threads {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        0 => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        n => tokio::runtime::Builder::new_multi_thread().worker_threads(n).enable_all().build()?,
    };
    let done = runtime.block_on(run(config));
    runtime.shutdown_background();
    done
}

async fn run(config: Config) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (mode, beyond) = (config.mode(), !config.listen.addr.ip().to_canonical().is_loopback());
    let running = Server::start(config).await?;
    if mode != Mode::Secured {
        warn_open(mode, beyond);
    }
    tracing::info!(addr = %running.addr(), open = mode != Mode::Secured, version = env!("CARGO_PKG_VERSION"), "listening");
    if let Some((addr, _)) = running.webtransport() {
        tracing::info!(%addr, "listening for WebTransport (UDP)");
    }
    for addr in running.webrtc() {
        tracing::info!(%addr, "listening for WebRTC (UDP)");
    }
    if let Some(addr) = running.ice() {
        tracing::info!(%addr, "listening for STUN and TURN");
    }
    say(&format!("Crosspoint is up: {}", running.url()))?;

    signals.next(&running).await;
    tracing::info!("shutting down: clients are asked to move; a second signal ends at once");
    tokio::select! {
        () = running.shutdown() => {
            tracing::info!("done");
            Ok(())
        }
        () = signals.end() => Err("ended before all clients had moved".into()),
    }
}

/// SIGTERM and SIGINT end the hub; at SIGHUP it looks at its files.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Signals { terminate, interrupt, hangup: signal(SignalKind::hangup())? })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first one that ends the hub.
    async fn next(&mut self, running: &Running) {
        loop {
            let hangup = self.hangup.recv();
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = hangup => running.reload(),
            }
        }
    }
}

/// Each connection takes a descriptor, and the usual soft limit is 1,024.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(e) => tracing::warn!(error = %e, "the limit of open files cannot be raised"),
    }
}

fn warn_open(mode: Mode, beyond: bool) {
    let why = match mode {
        Mode::ImplicitDev => {
            "because there is no key of tokens: no `auth.jwt_secret`, `auth.keys` or `auth.issuers`"
        }
        _ => "as asked for",
    };
    let reach = match beyond {
        true => "EVERYBODY WHO REACHES THIS MACHINE may connect under any name,",
        false => "Everybody on this machine may connect under any name,",
    };
    let text = format!(
        "
  ┌──────────────────────────────────────────────────────────────────┐
  │  DEV MODE: this hub is open.                                     │
  └──────────────────────────────────────────────────────────────────┘
  {reach}
  read and publish everything, and use the backend API
  ({why}).
  For real use set a secret, CROSSPOINT_AUTH__JWT_SECRET=$(openssl rand -base64 48);
  docs/configuration.md has the rest.
"
    );
    // A closed standard error leaves nowhere to say so.
    let _ = writeln!(io::stderr(), "{text}");
}
