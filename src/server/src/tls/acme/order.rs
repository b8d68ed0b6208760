//! One certificate, from the account to the chain.

use super::http::Transport;
use super::store::Store;
use super::{AcmeError, Keys, Settings};
use crate::http_client::HttpClient;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// How long an authority may take to look at proofs, or to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));
/// The account was forgotten there (RFC 8555 §6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// The private key and the chain, as PEM.
pub(super) async fn order(
    settings: &Settings,
    store: &Store,
    client: &HttpClient,
    keys: &Keys,
) -> Result<String, AcmeError> {
    let account = account(settings, store, client).await?;
    let names: Vec<_> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            store.forget_account()?;
            return Err(Error::Api(problem).into());
        }
        order => order?,
    };
    prove(&mut order, keys).await?;
    match order.poll_ready(&PATIENCE).await? {
        OrderStatus::Ready => {}
        status => return Err(AcmeError::Order(status)),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(format!("{key}\n{chain}"))
}

async fn account(settings: &Settings, store: &Store, client: &HttpClient) -> Result<Account, AcmeError> {
    let builder = || Account::builder_with_http(Box::new(Transport(client.clone())));
    if let Some(credentials) = store.account()? {
        return Ok(builder().from_credentials(credentials).await?);
    }
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder().create(&new, settings.directory.clone(), None).await?;
    store.keep_account(&credentials)?;
    Ok(account)
}

/// Shows proofs for all names, and says that they are there.
async fn prove(order: &mut Order, keys: &Keys) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| AcmeError::NoProof(name.clone()))?;
        let proof = proof(&name, challenge.key_authorization().digest().as_ref())?;
        keys.prove(&name, proof);
        challenge.set_ready().await?;
    }
    Ok(())
}

/// A certificate that only the account's owner can have had made (RFC 8737 §3).
fn proof(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AcmeError> {
    let mut params = CertificateParams::new([name.to_string()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let private = default_provider().key_provider.load_private_key(private);
    let private = private.map_err(|e| AcmeError::Unusable(e.to_string()))?;
    // Not by way of a check: its one critical extension is known to authorities alone.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], private)))
}
