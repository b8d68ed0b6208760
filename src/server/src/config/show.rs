//! The configuration in force, as TOML that can be used again.

use super::Config;

impl Config {
    /// TOML of all values, with the namespaces in force; secrets are replaced.
    pub fn to_toml(&self) -> String {
        let shown = Config { namespaces: self.namespaces(), ..self.clone() };
        // Every field is text, a number, a boolean, or a list or table of those: TOML has them all.
        toml::to_string_pretty(&shown).unwrap_or_default()
    }
}
