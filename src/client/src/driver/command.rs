//! What the application asks of the driver.

use super::Driver;
use crate::event::State;
use crate::plan;
use crate::status::count;
use crate::transport::Transport;
use crosspoint_core::client::Input;
use crosspoint_core::{Code, Fault, Frame};
use tokio::sync::oneshot;

pub(crate) type Done<T> = oneshot::Sender<Result<T, Fault>>;

pub(crate) enum Command {
    /// Send it; whoever waits gets the reply to its id. Of a counted frame the sender has taken the place in the queue.
    Send { frame: Box<Frame>, reply: Option<Done<Frame>> },
    /// How far the client has come in this room.
    Position { room: String, done: oneshot::Sender<Option<String>> },
    /// Carry the session by this transport.
    Move { to: Transport, done: Done<()> },
    /// Use these only.
    Allow(Vec<Transport>),
    /// A new token, for the next attempts.
    Token(String),
    /// Cut the link without a word.
    Kill,
    /// Say goodbye and end; answered by being dropped at the end.
    Close(oneshot::Sender<()>),
}

impl Driver {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Send { frame, reply } => self.send(*frame, reply),
            Command::Position { room, done } => drop(done.send(self.machine.position(&room))),
            Command::Move { to, done } => self.move_to(to, done),
            Command::Allow(transports) => self.allow(transports),
            Command::Token(token) => {
                self.connect.tokens.set(Some(token));
                self.token_taken();
            }
            Command::Kill => self.kill(),
            Command::Close(done) => {
                self.closers.push(done);
                self.end(Code::Bye.into());
            }
        }
        self.settle();
    }

    fn send(&mut self, frame: Frame, reply: Option<Done<Frame>>) {
        count(&self.shared.counters.sent);
        self.held += usize::from(frame.counted());
        let id = frame.id.clone();
        match (self.input(Input::Send { frame }), reply, id) {
            (Ok(()), Some(reply), Some(id)) => self.replies.expect(id, reply),
            (Err(full), Some(reply), _) => {
                let _ = reply.send(Err(Fault::new(Code::LimitExceeded, full.to_string())));
            }
            _ => {}
        }
    }

    fn move_to(&mut self, to: Transport, done: Done<()>) {
        let candidates = &self.connect.candidates;
        let refusal = if !self.connect.allowed.contains(&to) {
            Some(Fault::new(Code::BadRequest, format!("`{to}` is not among the allowed transports")))
        } else if self.status.borrow().state == State::Connecting {
            Some(Fault::new(Code::Unavailable, "not connected yet"))
        } else if !candidates.iter().any(|c| c.transport == to) {
            Some(Fault::new(Code::NotFound, format!("the hub does not offer `{to}`")))
        } else {
            None
        };
        match refusal {
            Some(fault) => drop(done.send(Err(fault))),
            None => self.move_among(&[to], "manual", Some(done)),
        }
    }

    fn allow(&mut self, transports: Vec<Transport>) {
        self.connect.allowed = transports;
        if !self.shared.options.negotiate {
            // Without the hub's own list the allowed ones are all there is.
            let deadline_ms = self.connect_ms();
            if let Ok(list) = plan::usual(&self.base, &self.connect.allowed, deadline_ms) {
                self.connect.candidates = list;
            }
        }
        self.look();
        let forbidden = |t: Transport| !self.connect.allowed.contains(&t);
        if self.connect.current.as_ref().is_some_and(|c| forbidden(c.transport)) {
            self.move_among(&Transport::ALL, "manual", None);
        }
    }

    fn kill(&mut self) {
        let Some(current) = &self.connect.current else { return };
        let id = current.id;
        drop(self.links.remove(&id));
        let _ = self.input(Input::Closed { link: id });
        self.gone(id, Fault::new(Code::Unavailable, "the application cut the link"), false);
    }
}
