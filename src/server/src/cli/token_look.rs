//! `crosspoint token inspect` and `crosspoint token verify`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::auth::jwt::{TOKEN_BYTES_MAX, Verifier};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use clap::Args;
use crosspoint_hub::Purpose;
use serde_json::Value;
use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The token; `-` or none: from standard input, as others see command lines.
    token: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The token; `-` or none: from standard input, as others see command lines.
    token: Option<String>,
    /// As a token for a single room.
    #[arg(long)]
    room: bool,
    #[command(flatten)]
    config: ConfigOptions,
}

pub(super) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let token = read(args.token.as_deref())?;
    let mut parts = token.split('.');
    let mut part = |what: &str| -> Result<Value, Failure> {
        let bytes = parts.next().and_then(|part| BASE64URL.decode(part).ok());
        let json = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        json.ok_or_else(|| {
            format!("its {what} cannot be read: a signed JWT has three parts of base64url").into()
        })
    };
    let (header, claims) = (part("header")?, part("payload")?);
    say(&serde_json::to_string_pretty(&serde_json::json!({ "header": header, "claims": claims }))?)
}

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let token = read(args.token.as_deref())?;
    let config = args.config.load()?;
    let verifier = Verifier::new(&config)?
        .ok_or("no key of tokens is configured: see `auth.jwt_secret` and `auth.keys`")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let purpose = if args.room { Purpose::Room } else { Purpose::Connect };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verified = runtime.block_on(async {
        let _fetching = verifier.keep(&config)?;
        Ok::<_, Failure>(verifier.verify_fetching(&token, purpose, now).await)
    })?;
    let grant = verified.map_err(|why| format!("the hub refuses it: {why}"))?;
    say(&serde_json::to_string_pretty(&grant)?)
}

fn read(token: Option<&str>) -> Result<String, Failure> {
    if let Some(token) = token.filter(|token| *token != "-") {
        return Ok(token.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(2 * TOKEN_BYTES_MAX as u64).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}
