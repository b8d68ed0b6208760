//! Who a client is: HS256 tokens ([`jwt`]), the open hub of dev mode ([`gate`]), keys of backends ([`api_key`]).

pub mod api_key;
pub mod gate;
pub mod jwt;

pub use api_key::ApiKeys;
pub use gate::Gate;
