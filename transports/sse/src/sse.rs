//! The three requests of the transport.

use crate::body::{self, Refusal, SseBody};
use crate::collect::collect;
use crate::config::Config;
use crate::late::Late;
use crate::link::{Link, Mode, Secret, same};
use crate::uplink::{Opening, Post, Want, from_hex, parse, to_hex};
use crate::{block, poll};
use bytes::Bytes;
use crosspoint_core::{Acceptor, Code, Fault, LinkInfo, LinkSender, Transport};
use futures_util::Stream;
use http::Response;
use http_body::Body;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Event streams and polls with their POSTs. Every answer, refusals too, is a complete response but for the headers that
/// belong to the front (CORS).
#[derive(Clone)]
pub struct Sse {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    acceptor: Arc<dyn Acceptor>,
    pub(crate) config: Config,
    pub(crate) runtime: Handle,
    links: Mutex<HashMap<Secret, Arc<Link>>>,
    pub(crate) late: Late,
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("links", &self.links()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn find(&self, name: &Secret) -> Option<Arc<Link>> {
        self.links.lock().get(name).cloned()
    }

    pub(crate) fn forget(&self, name: &Secret) {
        let link = self.links.lock().remove(name);
        drop(link);
    }

    /// A link that has ended says `hub:bye`; what its session has received.
    pub(crate) fn bye(&self, name: &Secret) -> Option<u64> {
        let (_, peer) = self.late.find(name)?;
        self.late.forget(name);
        peer.bye();
        Some(peer.received())
    }
}

/// A link whose opening is under way, or whose stream is: it ends with this.
pub(crate) struct Opened(Option<Arc<Link>>);

impl Opened {
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.0.clone()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.finish();
        }
    }
}

/// What became of an uplink POST.
struct Taken {
    received: u64,
    ask: Option<poll::Ask>,
}

impl Sse {
    /// The transport in front of this hub. To be called inside a tokio runtime, in which its timers run.
    pub fn new(acceptor: Arc<dyn Acceptor>, config: Config) -> Sse {
        let links = Mutex::default();
        Sse {
            shared: Arc::new(Shared {
                acceptor,
                config,
                runtime: Handle::current(),
                links,
                late: Late::default(),
            }),
        }
    }

    /// Links that are up.
    pub fn links(&self) -> usize {
        self.shared.links.lock().len()
    }

    /// `POST /sse`: opens a link, as a stream or for polls. `info` holds what the front knows of the request; transport and
    /// mode are set here.
    pub async fn open<B: Body>(&self, info: LinkInfo, body: B) -> Response<SseBody> {
        self.try_open(info, body).await.unwrap_or_else(|refusal| refusal.answer())
    }

    /// `POST /sse/{link}`: frames up, and in poll mode a poll.
    pub async fn uplink<B: Body>(&self, link: &str, body: B) -> Response<SseBody> {
        self.try_uplink(link, body).await.unwrap_or_else(|refusal| refusal.answer())
    }

    /// `GET /rooms/{room}/events`: a plain event stream of the room that `info.subscribe` names.
    pub async fn subscribe(&self, info: LinkInfo) -> Response<SseBody> {
        self.try_subscribe(info).await.unwrap_or_else(|refusal| refusal.answer())
    }

    async fn try_open<B: Body>(&self, info: LinkInfo, body: B) -> Result<Response<SseBody>, Refusal> {
        self.admit()?;
        let body = self.collect(body, Code::HelloTimeout).await?;
        let opening: Opening<'_> = parse(&body)?;
        let frames = opening.number(&body, self.shared.config.frame_bytes_max)?;
        let (mut opened, link) = match opening.mode {
            Want::Stream => self.link_up(info, Mode::Stream)?,
            Want::Poll => self.link_up(info, Mode::Poll)?,
        };
        frames.apply(&link).await?;
        not_refused(&link)?;
        link.answered();
        if link.mode == Mode::Stream {
            return Ok(body::stream(opened, blocks(link)));
        }
        let head = format!("\"link\":\"{}\",\"key\":\"{}\",", to_hex(&link.name), to_hex(&link.key));
        let received = link.received().unwrap_or_default();
        let answer = poll::begin(&link).answer(&head, received);
        opened.0 = None;
        Ok(body::json(answer))
    }

    async fn try_uplink<B: Body>(&self, name: &str, body: B) -> Result<Response<SseBody>, Refusal> {
        let name = from_hex(name).ok_or(Code::NotFound)?;
        let Some(link) = self.shared.find(&name) else { return self.try_late(&name, body).await };
        let _request = poll::Request::begin(&link);
        let taken = self.take_up(&link, body).await?;
        let Some(ask) = taken.ask else {
            return Ok(body::json(format!("{{\"received\":{}}}", taken.received)));
        };
        let batch = poll::poll(&link, ask).await?;
        Ok(body::json(batch.answer("", link.received().unwrap_or(taken.received))))
    }

    /// What comes when the link's stream has ended. Only `hub:bye` still counts: the page is closed.
    async fn try_late<B: Body>(&self, name: &Secret, body: B) -> Result<Response<SseBody>, Refusal> {
        let (key, _) = self.shared.late.find(name).ok_or(Code::NotFound)?;
        let body = self.collect(body, Code::HeartbeatTimeout).await?;
        let post: Post<'_> = parse(&body)?;
        if !post.key().is_some_and(|given| same(&key, &given)) {
            return Err(Fault::new(Code::Unauthorized, "this is not the link's key").into());
        }
        let said = post.says_bye().then(|| self.shared.bye(name)).flatten();
        Ok(body::json(format!("{{\"received\":{}}}", said.ok_or(Code::NotFound)?)))
    }

    /// Hands over what an uplink POST brings. The body is let go before a poll waits.
    async fn take_up<B: Body>(&self, link: &Link, body: B) -> Result<Taken, Refusal> {
        let body = self.collect(body, Code::HeartbeatTimeout).await?;
        let post: Post<'_> = parse(&body)?;
        if !post.key().is_some_and(|key| link.has_key(&key)) {
            return Err(Fault::new(Code::Unauthorized, "this is not the link's key").into());
        }
        link.alive();
        if link.fault().is_some() {
            // Only the last batch of a closed link can still be had.
            return match post.poll {
                Some(ask) => Ok(Taken { received: 0, ask: Some(ask) }),
                None if post.says_bye() && link.bye() => Ok(Taken { received: 0, ask: None }),
                None => Err(Code::NotFound.into()),
            };
        }
        let applied = match post.number(&body, self.shared.config.frame_bytes_max)?.apply(link).await {
            // The stream ended while the POST was on its way.
            Err(refusal) if refusal.fault.code == Code::NotFound && post.says_bye() && link.bye() => {
                return Ok(Taken { received: 0, ask: None });
            }
            applied => applied?,
        };
        if applied.stopped && post.poll.is_none() {
            not_refused(link)?;
        }
        Ok(Taken { received: applied.received, ask: post.poll })
    }

    async fn try_subscribe(&self, info: LinkInfo) -> Result<Response<SseBody>, Refusal> {
        let (opened, link) = self.link_up(info, Mode::Plain)?;
        link.turn();
        if let Some(greeted) = link.greeted() {
            greeted.await;
        }
        // Browsers never come back after an error: who may come later gets a stream that says so, and ends.
        if link.fault().is_none_or(|fault| !fault.retry_is_due()) {
            not_refused(&link)?;
        }
        link.answered();
        Ok(body::stream(opened, blocks(link)))
    }

    fn admit(&self) -> Result<(), Refusal> {
        if !self.shared.acceptor.accepting() {
            return Err(Fault::new(Code::Unavailable, "the hub takes no new links now").into());
        }
        Ok(())
    }

    async fn collect<B: Body>(&self, body: B, slow: Code) -> Result<Bytes, Fault> {
        let config = &self.shared.config;
        collect(body, config.post_bytes_max, Duration::from_millis(config.body_ms), slow).await
    }

    /// Puts a new link into the table and in front of the hub.
    fn link_up(&self, info: LinkInfo, mode: Mode) -> Result<(Opened, Arc<Link>), Refusal> {
        let shared = &self.shared;
        let (name, key) = ((shared.config.random)(), (shared.config.random)());
        let link = Arc::new(Link::new(shared.clone(), mode, name, key));
        match mode {
            Mode::Stream => link.queue.lock().push(block::opening(&to_hex(&name), &to_hex(&key))),
            Mode::Plain => link.queue.lock().push(block::RETRY),
            Mode::Poll => {}
        }
        {
            let mut links = shared.links.lock();
            if links.len() >= shared.config.links_max {
                return Err(Fault::new(Code::Unavailable, "the hub is full").into());
            }
            match links.entry(name) {
                Entry::Vacant(free) => drop(free.insert(link.clone())),
                Entry::Occupied(_) => {
                    return Err(Fault::new(Code::Internal, "a link's name came twice").into());
                }
            }
        }
        let opened = Opened(Some(link.clone()));
        let one_way = mode == Mode::Stream;
        let info = LinkInfo { transport: Some(Transport::Sse), mode: mode.name(), one_way, ..info };
        let sender: Arc<dyn LinkSender> = link.clone();
        link.attach(shared.acceptor.link_up(info, sender));
        Ok((opened, link))
    }
}

/// A link that the hub closed before its opening was answered is an HTTP error.
fn not_refused(link: &Link) -> Result<(), Refusal> {
    match link.fault() {
        Some(fault) if fault.code != Code::Bye => Err(fault.into()),
        _ => Ok(()),
    }
}

fn blocks(link: Arc<Link>) -> impl Stream<Item = Bytes> + Send {
    async_stream::stream! {
        while let Some(joined) = poll_fn(|cx| link.poll_blocks(cx)).await {
            yield joined;
        }
    }
}
