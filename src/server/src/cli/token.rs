//! `crosspoint token`

use super::options::ConfigOptions;
use super::{Failure, say};
use crate::auth::jwt::{Alg, Audience, Claims, Signer, is_info, is_user};
use crate::config::Secret;
use clap::{Args, Subcommand};
use crosspoint_core::Raw;
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    command: Option<Look>,
    #[command(flatten)]
    make: TokenOptions,
}

#[derive(Debug, Subcommand)]
enum Look {
    /// Print what a token says, without asking whether it is good.
    Inspect(super::token_look::InspectArgs),
    /// Say whether the configured hub takes a token, what it grants, or why not.
    Verify(Box<super::token_look::VerifyArgs>),
}

/// What the token says. Patterns are names, or beginnings of names with a `*` at the end.
#[derive(Debug, Args)]
pub(super) struct TokenOptions {
    /// Who it is for.
    #[arg(long, required = true)]
    user: Option<String>,
    /// How long it is good: 90s, 15m, 1h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    ttl: u64,
    /// Name shown to others.
    #[arg(long)]
    name: Option<String>,
    /// Shown to others: a JSON object of at most 1 KiB.
    #[arg(long, value_name = "JSON", value_parser = info)]
    info: Option<Raw>,
    /// Only for this room: a token that is given when joining it.
    #[arg(long)]
    room: Option<String>,
    /// Rooms that may be joined; may be repeated. Default: all.
    #[arg(long, value_name = "PATTERN")]
    join: Vec<String>,
    /// Rooms that may be published to; may be repeated. Default, here and below: those that may be joined.
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,
    /// Rooms whose members may be seen.
    #[arg(long, value_name = "PATTERN")]
    presence: Vec<String>,
    /// Rooms whose history may be read.
    #[arg(long, value_name = "PATTERN")]
    history: Vec<String>,
    /// Rooms whose peers may be signaled.
    #[arg(long, value_name = "PATTERN")]
    signal: Vec<String>,
    /// Rooms in which files may be sent through the hub.
    #[arg(long, value_name = "PATTERN")]
    files: Vec<String>,
    /// Rooms whose calls may be joined.
    #[arg(long, value_name = "PATTERN")]
    call: Vec<String>,
    /// Rooms that may be moderated; may be repeated. Default: none.
    #[arg(long, value_name = "PATTERN")]
    moderate: Vec<String>,
    /// None of these: `--no publish`; may be repeated.
    #[arg(long, value_name = "WHAT", value_parser = ["join", "publish", "presence", "history", "signal", "files", "call"])]
    no: Vec<String>,
    /// Publish to rooms without having joined them.
    #[arg(long)]
    publish_unjoined: bool,
    /// No direct messages and requests.
    #[arg(long)]
    no_direct: bool,
    /// Services that may be attached as; may be repeated. Default: none.
    #[arg(long, value_name = "PATTERN")]
    service: Vec<String>,
    /// The token's own name (`jti`), by which it can be revoked.
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// Whom it is for (`aud`); may be repeated. Default: the first of `auth.audiences`.
    #[arg(long, value_name = "AUDIENCE")]
    aud: Vec<String>,
    /// Who makes it (`iss`). Default: `auth.issuer`.
    #[arg(long, value_name = "ISSUER")]
    iss: Option<String>,
    /// Algorithm, such as ES256. Default: what the key is for.
    #[arg(long, value_parser = alg)]
    alg: Option<Alg>,
    /// The key's name, in the token's header.
    #[arg(long)]
    kid: Option<String>,
    /// PEM file of a private key: RSA, P-256, P-384 or Ed25519.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    key: Option<PathBuf>,
    /// The secret; better left to the configuration, as others see command lines.
    #[arg(long)]
    secret: Option<String>,
    #[command(flatten)]
    config: ConfigOptions,
}

pub(super) fn token(command: &TokenCommand) -> Result<(), Failure> {
    match &command.command {
        Some(Look::Inspect(args)) => super::token_look::inspect(args),
        Some(Look::Verify(args)) => super::token_look::verify(args),
        None => make(&command.make),
    }
}

fn make(options: &TokenOptions) -> Result<(), Failure> {
    // Only a subcommand lets clap leave it out.
    let user = options.user.clone().unwrap_or_default();
    if !is_user(&user) {
        return Err("a user's name has 1 to 295 bytes and no control characters".into());
    }
    let own = options.secret.is_some() || options.key.is_some();
    // With a key of one's own the configuration isn't needed, and may be another hub's.
    let auth = if own { None } else { Some(options.config.load()?.auth) };
    let secret = options.secret.as_deref().map(Secret::from).or_else(|| auth.as_ref()?.jwt_secret.clone());
    let usual = auth.as_ref().and_then(|auth| auth.jwt_algs.first().copied()).unwrap_or(Alg::Hs256);
    let signer = match (&options.key, &secret) {
        (Some(path), _) => {
            let pem = std::fs::read(path).map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
            Signer::pem(options.alg, &pem).map_err(|e| format!("{}: {e}", path.display()))?
        }
        (None, Some(secret)) => Signer::secret(options.alg.unwrap_or(usual), secret.bytes())?,
        (None, None) => {
            return Err("there is no secret: set `auth.jwt_secret` (CROSSPOINT_AUTH__JWT_SECRET) as for the hub, or give --secret, \
                        or a private key by --key. A hub in dev mode takes clients without a token"
                .into());
        }
    };
    let mut claims = claims(options, user, SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    if let Some(auth) = auth {
        claims.iss = claims.iss.or(auth.issuer);
        claims.aud = claims.aud.or(auth.audiences.into_iter().next().map(Audience::One));
    }
    // What the hub would refuse is not worth a token.
    let fit = if claims.room.is_some() { claims.clone().room_grant() } else { claims.clone().grant() };
    fit?;
    say(&signer.with_kid(options.kid.clone()).sign(&claims)?)
}

fn claims(options: &TokenOptions, user: String, now: u64) -> Claims {
    let list = |what: &str, given: &Vec<String>| {
        (!given.is_empty() || options.no.iter().any(|no| no == what)).then(|| given.clone())
    };
    let aud = match options.aud.as_slice() {
        [] => None,
        [one] => Some(Audience::One(one.clone())),
        more => Some(Audience::Many(more.to_vec())),
    };
    Claims {
        sub: user,
        iss: options.iss.clone(),
        aud,
        exp: Some((now.saturating_add(options.ttl)) as f64),
        nbf: None,
        iat: Some(now as f64),
        jti: options.jti.clone(),
        name: options.name.clone(),
        info: options.info.clone(),
        room: options.room.clone(),
        join: list("join", &options.join),
        publish: list("publish", &options.publish),
        presence: list("presence", &options.presence),
        history: list("history", &options.history),
        signal: list("signal", &options.signal),
        files: list("files", &options.files),
        call: list("call", &options.call),
        moderate: list("moderate", &options.moderate),
        publish_unjoined: options.publish_unjoined.then_some(true),
        direct: options.no_direct.then_some(false),
        services: list("services", &options.service),
    }
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

fn alg(text: &str) -> Result<Alg, String> {
    let names = || Alg::ALL.map(Alg::name).join(", ");
    Alg::named(text).ok_or_else(|| format!("give one of {}", names()))
}

fn info(text: &str) -> Result<Raw, String> {
    let info = RawValue::from_string(text.into()).map_err(|e| e.to_string())?;
    if is_info(&info) { Ok(info) } else { Err("write a JSON object of at most 1 KiB".into()) }
}
