//! `crosspoint token`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::auth::jwt::{Claims, Hs256, is_info, is_user};
use crate::config::Secret;
use clap::Args;
use crosspoint_core::Raw;
use serde_json::value::RawValue;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the token says. Patterns are names, or beginnings of names with a `*` at the end.
#[derive(Debug, Args)]
pub(super) struct TokenOptions {
    /// Who it is for.
    #[arg(long)]
    user: String,
    /// How long it is good: 90s, 15m, 1h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    ttl: u64,
    /// Rooms that may be joined; may be repeated. Default: all.
    #[arg(long, value_name = "PATTERN")]
    join: Vec<String>,
    /// Rooms that may be published to; may be repeated. Default: those that may be joined.
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,
    /// Publish to rooms without having joined them.
    #[arg(long)]
    publish_unjoined: bool,
    /// No direct messages and requests.
    #[arg(long)]
    no_direct: bool,
    /// Services that may be attached as; may be repeated. Default: none.
    #[arg(long, value_name = "PATTERN")]
    service: Vec<String>,
    /// Shown to others: a JSON object of at most 1 KiB.
    #[arg(long, value_name = "JSON", value_parser = info)]
    info: Option<Raw>,
    /// The secret; better left to the configuration, as others see command lines.
    #[arg(long)]
    secret: Option<String>,
    #[command(flatten)]
    config: ConfigOptions,
}

pub(super) fn token(options: &TokenOptions) -> Result<(), Failure> {
    let secret = match &options.secret {
        Some(secret) => Secret::from(secret.as_str()),
        None => options.config.load()?.auth.jwt_secret.ok_or(
            "there is no secret: set `auth.jwt_secret` (CROSSPOINT_AUTH__JWT_SECRET) as for the hub, or give --secret. \
             A hub in dev mode takes clients without a token",
        )?,
    };
    if !is_user(&options.user) {
        return Err("a user's name has 1 to 295 bytes and no control characters".into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let list = |given: &Vec<String>| (!given.is_empty()).then(|| given.clone());
    let claims = Claims {
        sub: options.user.clone(),
        exp: Some((now + options.ttl) as f64),
        nbf: None,
        info: options.info.clone(),
        join: list(&options.join),
        publish: list(&options.publish),
        publish_unjoined: options.publish_unjoined.then_some(true),
        direct: options.no_direct.then_some(false),
        services: list(&options.service),
    };
    say(&Hs256::new(secret.bytes(), 0).sign(&claims)?)
}

fn seconds(text: &str) -> Result<u64, String> {
    const HELP: &str = "write a number and s, m, h or d, like 90s or 1h";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(HELP)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(HELP.into()),
    };
    let number: u32 = number.parse().map_err(|_| HELP)?;
    Ok(u64::from(number) * factor)
}

fn info(text: &str) -> Result<Raw, String> {
    let info = RawValue::from_string(text.into()).map_err(|e| e.to_string())?;
    if is_info(&info) { Ok(info) } else { Err("write a JSON object of at most 1 KiB".into()) }
}
