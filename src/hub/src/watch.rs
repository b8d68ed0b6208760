//! Sessions that want to be told when another one ends.

use crate::act::parse;
use crate::cell::Cell;
use crate::hub::Hub;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault, Frame};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Who watches whom.
#[derive(Default)]
pub(crate) struct Watches(Mutex<Table>);

type Names = HashMap<Arc<str>, HashSet<Arc<str>>>;

#[derive(Default)]
struct Table {
    watchers_of: Names,
    watched_by: Names,
}

#[derive(Deserialize)]
struct WatchData {
    session: String,
}

fn remove(names: &mut Names, key: &str, name: &str) {
    if let Some(set) = names.get_mut(key) {
        set.remove(name);
        if set.is_empty() {
            names.remove(key);
        }
    }
}

impl Table {
    fn unwatch(&mut self, watcher: &str, watched: &str) {
        remove(&mut self.watchers_of, watched, watcher);
        remove(&mut self.watched_by, watcher, watched);
    }

    /// Forgets a session, and returns who watched it.
    fn forget(&mut self, session: &str) -> HashSet<Arc<str>> {
        for watched in self.watched_by.remove(session).unwrap_or_default() {
            remove(&mut self.watchers_of, &watched, session);
        }
        let watchers = self.watchers_of.remove(session).unwrap_or_default();
        for watcher in &watchers {
            remove(&mut self.watched_by, watcher, session);
        }
        watchers
    }
}

impl Hub {
    pub(crate) fn watch(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        frame: &Frame,
    ) -> Result<serde_json::Value, Fault> {
        let WatchData { session } = parse(frame)?;
        let (direct, serves) = {
            let state = cell.state.lock();
            (state.grant.direct, !state.services.is_empty())
        };
        if !direct {
            return Err(Fault::new(Code::Forbidden, "The grant does not allow direct messages"));
        }
        let gone = || Fault::new(Code::NotFound, "No such session");
        let watched = self.session(&session).ok_or_else(gone)?;
        // A service watches all its clients.
        let max = if serves { self.limits.sessions_max } else { self.limits.rooms_max };
        {
            let mut table = self.watches.0.lock();
            let set = table.watched_by.entry(cell.name.clone()).or_default();
            if set.len() >= max && !set.contains(&watched.name) {
                return Err(Fault::new(Code::LimitExceeded, format!("{max} sessions are watched already")));
            }
            set.insert(watched.name.clone());
            table.watchers_of.entry(watched.name.clone()).or_default().insert(cell.name.clone());
        }
        // Either may have been torn down before it was on the list.
        if cell.state.lock().torn_down {
            self.watches.0.lock().forget(&cell.name);
        }
        if watched.state.lock().torn_down {
            self.watches.0.lock().unwatch(&cell.name, &watched.name);
            return Err(gone());
        }
        Ok(json!({}))
    }

    pub(crate) fn unwatch(&self, cell: &Cell, frame: &Frame) -> Result<serde_json::Value, Fault> {
        let WatchData { session } = parse(frame)?;
        self.watches.0.lock().unwatch(&cell.name, &session);
        Ok(json!({}))
    }

    /// A session has ended: tells those who watched it.
    pub(crate) fn tell_watchers(self: &Arc<Hub>, cell: &Cell, code: Code) {
        let watchers = self.watches.0.lock().forget(&cell.name);
        if watchers.is_empty() {
            return;
        }
        let data = json!({"session": &*cell.name, "user": &*cell.user, "code": code});
        let frame = Arc::new(OutFrame::new(&Frame::with("hub:ended", &data)));
        let watchers: Vec<Arc<Cell>> = watchers.iter().filter_map(|name| self.session(name)).collect();
        self.send_all(&watchers, &frame);
    }
}
