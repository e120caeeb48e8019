//! What carries calls.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::{Service, ServiceExt};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// An answer whose body arrives bit by bit.
pub type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Carries a call to a server and its answer back.
pub trait Transport: Send + Sync {
    /// Sends a request; an error means that it, or the head of its answer, did not arrive.
    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send + '_>>;
}

/// A server in this process: any service that answers HTTP requests.
#[derive(Debug, Clone)]
pub struct InProcess<S>(pub S);

impl<S, B> Transport for InProcess<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send + '_>> {
        let service = self.0.clone();
        Box::pin(async move {
            let answer = service.oneshot(request).await?;
            Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    }
}
