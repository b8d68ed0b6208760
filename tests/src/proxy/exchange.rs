//! One HTTP exchange under its rule.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::engine::{Engine, Next, Outcome, Watch};
use super::head::{RequestHead, ResponseHead};
use super::log::Event;
use super::rules::{Action, End};
use super::running::{Choice, Running};
use super::tunnel::Passing;

impl Engine {
    pub(super) async fn exchange(&mut self, request: RequestHead, body: Bytes) -> Result<Next, Outcome> {
        let running = Arc::clone(&self.connection.running.borrow());
        let choice = running.choose(&request);
        let connection = &self.connection;
        let body_bytes = body.len() as u64;
        connection.shared.note_request(connection.id, &request.method, &request.target, body_bytes, &choice);
        let next = self.act(&request, &body, &running, &choice).await;
        running.answered(&choice);
        next
    }

    async fn act(
        &mut self,
        request: &RequestHead,
        body: &Bytes,
        running: &Running,
        choice: &Choice,
    ) -> Result<Next, Outcome> {
        match choice.action {
            Action::Respond { status } => return Err(self.answer(status).await),
            Action::Refuse { with } => return Err(Outcome { client: with, upstream: End::Close }),
            Action::Hang => return Err(self.client_leaves().await),
            Action::Delay { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Action::Hold { overtaken_by, at_most_ms } => {
                self.hold(running, choice, overtaken_by, Duration::from_millis(at_most_ms)).await;
            }
            Action::Duplicate if !request.upgrade => {
                self.send(&request.raw, body).await?;
                self.swallow_response(request).await?;
                self.connection.log(Event::Duplicated);
            }
            _ => {}
        }
        let head = if choice.action == Action::StripUpgrade {
            request.without_upgrade()
        } else {
            request.raw.clone()
        };
        self.send(&head, body).await?;
        match choice.action {
            Action::DropResponse { with } => {
                let status = self.swallow_response(request).await?;
                self.connection.log(Event::ResponseDropped { status });
                Err(Outcome { client: with, upstream: End::Close })
            }
            _ => self.relay(request, &choice.action).await,
        }
    }

    async fn send(&mut self, head: &[u8], body: &[u8]) -> Result<(), Outcome> {
        let upstream = self.upstream().await?;
        // A hub that refuses early closes its end for writing; its answer is still to be read.
        if upstream.stream.write_all(head).await.is_ok() {
            let _ = upstream.stream.write_all(body).await;
        }
        Ok(())
    }

    /// Reads an answer to its end (an event stream: its head) and forgets it. Returns its status, 0 if there was none.
    async fn swallow_response(&mut self, request: &RequestHead) -> Result<u16, Outcome> {
        loop {
            let Some(head) = self.response(request, Watch::Nobody).await? else { return Ok(0) };
            if matches!(head.status, 100 | 102..=199) {
                continue;
            }
            if head.event_stream || head.status == 101 {
                self.upstream = None;
            } else {
                self.whole_body(&head, Watch::Nobody).await?;
            }
            return Ok(head.status);
        }
    }

    async fn relay(&mut self, request: &RequestHead, action: &Action) -> Result<Next, Outcome> {
        loop {
            let Some(head) = self.response(request, Watch::Client).await? else {
                return Err(Outcome::both(End::Close));
            };
            match head.status {
                101 => {
                    self.write_client(&head.raw).await?;
                    self.connection.shared.note_upgrade(self.connection.id);
                    return Ok(Next::Tunnel(match action {
                        Action::SilentAfter101 => Passing::Nothing,
                        Action::ResetAfter101 { bytes } => Passing::Down(*bytes),
                        _ => Passing::All,
                    }));
                }
                100..=199 => self.write_client(&head.raw).await?,
                200..=299 if request.method == "CONNECT" => {
                    self.write_client(&head.raw).await?;
                    return Ok(Next::Tunnel(Passing::All));
                }
                _ => {
                    self.relay_final(&head, action).await?;
                    let over = head.ends_connection(request);
                    return if over { Err(Outcome::both(End::Close)) } else { Ok(Next::Request) };
                }
            }
        }
    }

    async fn relay_final(&mut self, head: &ResponseHead, action: &Action) -> Result<(), Outcome> {
        match action {
            Action::BufferResponse => {
                let body = self.whole_body(head, Watch::Client).await?;
                let bytes = (head.raw.len() + body.len()) as u64;
                self.connection.log(Event::BufferReleased { bytes });
                self.write_client(&head.raw).await?;
                self.write_client(&body).await
            }
            Action::CutResponse { bytes, with } => self.relay_body(head, Some((*bytes, *with))).await,
            _ => self.relay_body(head, None).await,
        }
    }

    async fn relay_body(&mut self, head: &ResponseHead, cut: Option<(u64, End)>) -> Result<(), Outcome> {
        self.write_client(&head.raw).await?;
        let mut left = head.body.clone();
        let mut allowed = cut.map(|(bytes, _)| bytes);
        loop {
            let Some(upstream) = &mut self.upstream else { return Ok(()) };
            let taken = left.take(&upstream.buffer).map_err(|_| Outcome::both(End::Reset))?;
            let mut bytes = upstream.buffer.split_to(taken);
            if let Some(allowed) = &mut allowed {
                bytes.truncate(usize::try_from(*allowed).unwrap_or(usize::MAX));
                *allowed -= bytes.len() as u64;
            }
            self.write_client(&bytes).await?;
            if let (Some(0), Some((_, with))) = (allowed, cut) {
                return Err(Outcome::both(with));
            }
            if left.is_done() {
                return Ok(());
            }
            if !self.fill_upstream(Watch::Client).await? {
                return if left.may_end_here() { Ok(()) } else { Err(Outcome::both(End::Reset)) };
            }
        }
    }

    async fn hold(&mut self, running: &Running, choice: &Choice, others: u64, at_most: Duration) {
        let Some(rule) = choice.rule else { return };
        self.connection.log(Event::Held);
        let mut rules = self.connection.running.clone();
        rules.mark_unchanged();
        let overtaken = tokio::select! {
            () = running.overtaken(rule, others) => true,
            _ = rules.changed() => false,
            () = tokio::time::sleep(at_most) => false,
        };
        self.connection.log(Event::Released { overtaken });
    }

    /// Waits for the client to leave, however much it may still send.
    async fn client_leaves(&mut self) -> Outcome {
        while matches!(self.client.fill().await, Ok(1..)) {
            self.client.buffer.clear();
        }
        Outcome::both(End::Close)
    }
}
