//! Rules in force, with the counts that `every`, `skip`, `times` and `hold` need.

use parking_lot::Mutex;
use tokio::sync::watch;

use super::head::RequestHead;
use super::rules::{Action, Match, Rules};

/// Rules with their counts; setting rules begins new counts.
pub(super) struct Running {
    pub(super) rules: Rules,
    counts: Mutex<Vec<Count>>,
    answered: Vec<watch::Sender<u64>>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    fitting: u64,
    selected: u64,
}

/// What was chosen for one request.
pub(super) struct Choice {
    pub(super) action: Action,
    /// The rule that selected it.
    pub(super) rule: Option<usize>,
    /// Rules that it fits: they learn when it was answered.
    fits: Vec<usize>,
}

impl Running {
    pub(super) fn new(rules: Rules) -> Self {
        let counts = Mutex::new(vec![Count::default(); rules.http.len()]);
        let answered = rules.http.iter().map(|_| watch::Sender::new(0)).collect();
        Self { rules, counts, answered }
    }

    /// Chooses the action for a request. Rules behind the one that selects it don't count it.
    pub(super) fn choose(&self, head: &RequestHead) -> Choice {
        let mut choice = Choice { action: Action::Pass, rule: None, fits: Vec::new() };
        let mut counts = self.counts.lock();
        for (index, (rule, count)) in self.rules.http.iter().zip(counts.iter_mut()).enumerate() {
            if !rule.matching.fits(head) {
                continue;
            }
            choice.fits.push(index);
            count.fitting += 1;
            if rule.matching.selects(*count) {
                count.selected += 1;
                choice.action = rule.action.clone();
                choice.rule = Some(index);
                break;
            }
        }
        choice
    }

    /// Tells waiting requests that this one was answered.
    pub(super) fn answered(&self, choice: &Choice) {
        for &index in &choice.fits {
            if let Some(answered) = self.answered.get(index) {
                answered.send_modify(|count| *count += 1);
            }
        }
    }

    /// Waits until `others` more requests that fit the rule have been answered.
    pub(super) async fn overtaken(&self, rule: usize, others: u64) {
        let Some(answered) = self.answered.get(rule) else { return };
        let mut answered = answered.subscribe();
        let goal = *answered.borrow_and_update() + others;
        // The sender lives as long as self: waiting can't fail.
        let _ = answered.wait_for(|count| *count >= goal).await;
    }
}

impl Match {
    fn fits(&self, head: &RequestHead) -> bool {
        self.method.as_ref().is_none_or(|method| *method == head.method)
            && self.path.as_ref().is_none_or(|path| head.target.starts_with(path))
            && self.upgrade.is_none_or(|upgrade| upgrade == head.upgrade)
    }

    fn selects(&self, count: Count) -> bool {
        let Some(number) = count.fitting.checked_sub(self.skip).filter(|n| *n > 0) else { return false };
        number % self.every.map_or(1, u64::from) == 0 && self.times.is_none_or(|times| count.selected < times)
    }
}
