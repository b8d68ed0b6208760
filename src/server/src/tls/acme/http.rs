//! The hub's HTTP client, as the ACME library wants it.

use crate::http_client::HttpClient;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error};
use std::pin::Pin;
use std::time::Duration;

/// Directories, problems and chains are far smaller.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Transport(pub(super) HttpClient);

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl instant_acme::HttpClient for Transport {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let client = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(|e| Error::Other(Box::new(e)))?.to_bytes();
            let request = Request::from_parts(head, Full::new(body));
            let answer = client.send(request, ANSWER_BYTES_MAX, WITHIN).await;
            let answer = answer.map_err(|e| Error::Other(Box::new(e)))?;
            let mut response = Response::new(Full::new(answer.body));
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(response.into())
        })
    }
}
