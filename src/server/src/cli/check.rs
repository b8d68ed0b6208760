//! `crosspoint config check`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::http::{tls, webtransport};

pub(super) fn check(options: &ConfigOptions) -> Result<(), Failure> {
    let config = options.load()?;
    if let (Some(cert), Some(key)) = (&config.listen.tls_cert, &config.listen.tls_key) {
        tls::acceptor(cert, key)?;
    }
    if config.transports.webtransport.enabled {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let checked = runtime.block_on(webtransport::check(&config));
        checked.map_err(|e| format!("`transports.webtransport`: {e}"))?;
    }
    let warnings: String = config.warnings().iter().map(|w| format!("warning: {w}\n")).collect();
    say(&format!("ok\n{warnings}\n{}", config.to_toml().trim_end()))
}
