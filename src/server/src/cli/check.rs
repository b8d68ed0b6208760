//! `crosspoint config check`

use super::options::ConfigOptions;
use super::{Failure, say};

pub(super) fn check(options: &ConfigOptions) -> Result<(), Failure> {
    let config = options.load()?;
    say(&format!("ok\n\n{}", config.to_toml().trim_end()))
}
