//! Who a client is: HS256 tokens ([`jwt`]), the open hub of dev mode ([`gate`]), keys of backends ([`api_key`]) and what they may do
//! ([`scope`]).

pub mod api_key;
mod credential;
pub mod gate;
pub mod jwt;
pub mod scope;

pub use api_key::{ApiKeys, Key};
pub use credential::Credential;
pub use gate::Gate;
pub use scope::{Scope, Scopes};
