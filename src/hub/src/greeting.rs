//! Links that wait until it is known who the client is.

use crate::auth::{Ask, Purpose};
use crate::cell::Cell;
use crate::engine::Answer;
use crate::hub::Hub;
use crate::link::HubLink;
use crosspoint_core::client::Hello;
use crosspoint_core::link::{BoxFuture, Subscribe};
use crosspoint_core::session::Kind;
use crosspoint_core::{Code, Fault, Flow, Frame, Grant};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;

/// A grant that takes time to find out.
pub(crate) type Later = BoxFuture<'static, Result<Arc<Grant>, Fault>>;

/// What a link waits for.
pub(crate) struct Waiting {
    pub(crate) grant: Later,
    pub(crate) then: Then,
}

/// What becomes of the link when the grant is known.
pub(crate) enum Then {
    Hello(Box<Hello>),
    Plain,
    Listen(Subscribe),
}

/// What came by a link that waits: in order, for afterwards.
#[derive(Default)]
pub(crate) struct Early {
    frames: VecDeque<(Option<u64>, Frame)>,
    over: Arc<Notify>,
}

impl Early {
    /// Keeps a frame. A transport that waits when it is told to brings no more than a few.
    pub(crate) fn keep(&mut self, seq: Option<u64>, frame: Frame, max: usize) -> Result<(), Fault> {
        if self.frames.len() >= max {
            let text = format!("More than {max} frames came before it was known who the client is");
            return Err(Fault::new(Code::LimitExceeded, text));
        }
        self.frames.push_back((seq, frame));
        Ok(())
    }
}

impl Hub {
    /// What a token allows; nobody waits for that longer than `limits.hello_ms`.
    ///
    /// # Errors
    /// Those of [`Authenticator::verify`](crate::Authenticator::verify) and [`check_grant`](Hub::check_grant).
    pub async fn verify(&self, ask: Ask<'_>) -> Result<Arc<Grant>, Fault> {
        let grant = match self.verified(ask) {
            Answer::Ready(grant) => grant,
            Answer::Later(grant) => grant.await,
        }?;
        self.check_grant(&grant)?;
        Ok(grant)
    }

    /// What a token shown on this link allows.
    pub(crate) fn look_up(&self, link: &HubLink, token: &str) -> Answer<Arc<Grant>> {
        let (remote, transport) = (link.info.remote, link.info.transport);
        self.verified(Ask { token, purpose: Purpose::Connect, remote, transport })
    }

    pub(crate) fn verified(&self, ask: Ask<'_>) -> Answer<Arc<Grant>> {
        match self.auth.verify(ask) {
            Answer::Ready(grant) => Answer::Ready(grant.map(Arc::new)),
            Answer::Later(grant) => {
                let patience = Duration::from_millis(self.limits.hello_ms);
                Answer::later(async move {
                    let late = |_| Fault::new(Code::Unavailable, "The token could not be checked in time");
                    tokio::time::timeout(patience, grant).await.map_err(late)?.map(Arc::new)
                })
            }
        }
    }
}

impl HubLink {
    /// Whether it waits until it is known who the client is.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeting.load(Ordering::Acquire)
    }

    /// Makes the link wait; `early` is its place for what comes meanwhile, under the binding lock.
    pub(crate) fn wait_for(
        &self,
        early: &mut Option<Early>,
        waiting: Waiting,
        first: Option<(Option<u64>, Frame)>,
    ) {
        let Some(link) = self.me.upgrade() else { return };
        *early = Some(Early { frames: first.into_iter().collect(), ..Early::default() });
        self.greeting.store(true, Ordering::Release);
        let Waiting { grant, then } = waiting;
        tokio::spawn(async move {
            let grant = grant.await;
            link.go_on(then, grant);
            link.hub.end_turn();
        });
    }

    fn go_on(&self, then: Then, grant: Result<Arc<Grant>, Fault>) {
        let mut binding = self.binding.lock();
        let Some(Early { frames, over }) = binding.take() else { return };
        if !self.is_over()
            && let Err(fault) = grant.and_then(|grant| self.bind(then, grant, frames))
        {
            self.refuse(&fault);
        }
        self.greeting.store(false, Ordering::Release);
        drop(binding);
        over.notify_waiters();
    }

    /// Gives the link its session, and that what came meanwhile.
    fn bind(
        &self,
        then: Then,
        grant: Arc<Grant>,
        frames: VecDeque<(Option<u64>, Frame)>,
    ) -> Result<(), Fault> {
        match then {
            Then::Hello(hello) => drop(self.hub.greet(self, hello, Some(grant))?),
            Then::Plain => drop(self.hub.plain_session_of(self, Kind::Plain, grant)?),
            Then::Listen(subscribe) => self.hub.listen_as(self, subscribe, grant)?,
        }
        let Some(cell): Option<&Arc<Cell>> = self.cell.get() else { return Ok(()) };
        for (seq, frame) in frames {
            if self.counted(cell, seq, frame) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Resolves when it is known who the client is, if that takes time.
    pub(crate) fn greeted(&self) -> Option<BoxFuture<'static, ()>> {
        if !self.is_greeted() {
            return None;
        }
        let link = self.me.upgrade()?;
        let over = self.binding.lock().as_ref().map(|early| early.over.clone())?;
        Some(Box::pin(async move {
            let notified = over.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if link.is_greeted() {
                notified.await;
            }
        }))
    }
}
