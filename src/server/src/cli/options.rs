//! Flags that are settings.

use crate::config::{Config, ConfigErrors, Inputs, load};
use clap::Args;
use std::path::PathBuf;

/// Every key of the configuration can be set with `--set`; the usual ones have flags of their own.
#[derive(Debug, Default, Args)]
pub(super) struct ConfigOptions {
    /// Configuration file (else $CROSSPOINT_CONFIG, else ./crosspoint.toml if there is one).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Dev mode: everybody may do everything, under any name.
    #[arg(long)]
    dev: bool,
    /// Let dev mode listen beyond this machine.
    #[arg(long)]
    dev_insecure_listen: bool,
    /// Worker threads; 0: one per core, 1: everything on one.
    #[arg(long, value_name = "N")]
    threads: Option<String>,
    /// PEM file of the certificate chain.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// PEM file of the private key.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Least important log level, such as `debug`.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// `text` or `json`.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any key, such as `limits.rooms_max=100`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, like limits.rooms_max=100")?;
    Ok((key.trim().into(), value.into()))
}

impl ConfigOptions {
    /// The configuration that flags, environment and file give.
    pub(super) fn load(&self) -> Result<Config, ConfigErrors> {
        let env =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let named = self.config.clone().or_else(|| std::env::var_os("CROSSPOINT_CONFIG").map(PathBuf::from));
        load(&Inputs {
            file: named,
            file_if_there: Some("crosspoint.toml".into()),
            env: env.collect(),
            flags: self.flags(),
        })
    }

    /// Key, value and flag as written.
    fn flags(&self) -> Vec<(String, String, String)> {
        let switch = |on: bool| on.then(|| "true".to_string());
        let own = [
            ("dev", "--dev", switch(self.dev)),
            ("dev_insecure_listen", "--dev-insecure-listen", switch(self.dev_insecure_listen)),
            ("threads", "--threads", self.threads.clone()),
            ("listen.addr", "--listen", self.listen.clone()),
            ("listen.tls_cert", "--tls-cert", self.tls_cert.clone()),
            ("listen.tls_key", "--tls-key", self.tls_key.clone()),
            ("log.level", "--log-level", self.log_level.clone()),
            ("log.format", "--log-format", self.log_format.clone()),
        ];
        let own = own.into_iter().filter_map(|(key, flag, value)| Some((key.into(), value?, flag.into())));
        let set = self.set.iter().map(|(key, value)| (key.clone(), value.clone(), format!("--set {key}=…")));
        own.chain(set).collect()
    }
}
