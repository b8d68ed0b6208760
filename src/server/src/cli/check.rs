//! `crosspoint config check`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::auth::jwt::Verifier;
use crate::tls::Certificates;

pub(super) fn check(options: &ConfigOptions) -> Result<(), Failure> {
    let config = options.load()?;
    Certificates::load(&config)?;
    Verifier::new(&config)?;
    let warnings: String = config.warnings().iter().map(|w| format!("warning: {w}\n")).collect();
    say(&format!("ok\n{warnings}\n{}", config.to_toml().trim_end()))
}
