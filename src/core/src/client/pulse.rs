//! Whether a link lives: when it was heard and asked last, and how long an answer may take.

/// The least time that an answer is given, ms.
const PATIENCE_MS: u64 = 2_000;
/// A round trip may take so many times as long as the last ones did.
const ROUND_TRIPS: u64 = 4;
/// Links that die of silence within such a time of each other may have been given up wrongly, ms.
const STEADY_MS: u64 = 60_000;
const DOUBLINGS_MAX: u32 = 4;
/// The slowest way up that is waited for: 256 kbit/s.
const UP_BYTES_PER_MS: u64 = 32;
/// So much coming down while an answer is due is a backlog, which the answer may stand behind, in bytes.
const BACKLOG_BYTES: u64 = 64 << 10;

/// How long answers are waited for, on whatever link.
#[derive(Debug, Default)]
pub(super) struct Patience {
    rtt_ms: u64,
    doublings: u32,
    /// When a link was last given up for its silence.
    died_at: Option<u64>,
}

impl Patience {
    pub(super) fn ms(&self, heartbeat_ms: u64) -> u64 {
        let usual = PATIENCE_MS.max(ROUND_TRIPS * self.rtt_ms) << self.doublings;
        usual.min(heartbeat_ms.max(PATIENCE_MS))
    }

    /// A round trip was measured. Longer ones count at once, shorter ones by and by.
    pub(super) fn measured(&mut self, ms: u64) {
        self.rtt_ms = ms.max((3 * self.rtt_ms + ms) / 4);
    }

    fn since_death(&self, now: u64) -> u64 {
        self.died_at.map_or(u64::MAX, |at| now.saturating_sub(at))
    }

    fn died(&mut self, now: u64) {
        let again = self.since_death(now) < STEADY_MS;
        self.doublings = if again { (self.doublings + 1).min(DOUBLINGS_MAX) } else { 0 };
        self.died_at = Some(now);
    }

    fn steady(&mut self, now: u64) {
        if self.since_death(now) >= STEADY_MS {
            (self.doublings, self.died_at) = (0, None);
        }
    }
}

/// What a tick finds due on a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// A sign that the way up lives.
    Beat,
    /// The link is dead.
    Death,
}

/// A question that is not answered yet.
#[derive(Debug)]
struct Asked {
    at: u64,
    /// By a beat, whose answer measures the round trip.
    beat: bool,
    /// What stands before it on its way up, as the time that it may take, ms.
    behind_ms: u64,
    /// What came down since, in bytes.
    down_bytes: u64,
}

/// One link's signs of life.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) heard_at: u64,
    /// When the way up was last known to live.
    confirmed_at: u64,
    asked: Option<Asked>,
    /// The pace of beats in force, ms; 0: none.
    pub(super) beat_ms: u64,
}

impl Pulse {
    pub(super) fn new(now: u64) -> Pulse {
        Pulse { heard_at: now, confirmed_at: now, asked: None, beat_ms: 0 }
    }

    pub(super) fn heard(&mut self, now: u64, bytes: u64) {
        self.heard_at = now;
        if let Some(asked) = &mut self.asked {
            asked.down_bytes = asked.down_bytes.saturating_add(bytes);
        }
    }

    /// The way up lives. Returns the round trip, if a beat was asked for it.
    pub(super) fn confirmed(&mut self, now: u64, patience: &mut Patience) -> Option<u64> {
        patience.steady(now);
        self.confirmed_at = now;
        self.asked.take().filter(|a| a.beat).map(|a| now.saturating_sub(a.at))
    }

    /// A question goes up, behind so many bytes that aren't acknowledged. An earlier one without an answer still counts.
    pub(super) fn ask(&mut self, now: u64, beat: bool, unacked_bytes: u64, heartbeat_ms: u64) {
        let behind_ms = (unacked_bytes / UP_BYTES_PER_MS).min(heartbeat_ms);
        self.asked.get_or_insert(Asked { at: now, beat, behind_ms, down_bytes: 0 });
    }

    fn dead_at(&self, heartbeat_ms: u64, patience_ms: u64) -> u64 {
        let silence = heartbeat_ms + heartbeat_ms / 2;
        if self.beat_ms == 0 {
            return self.heard_at + silence;
        }
        let down = self.heard_at + silence.min(self.beat_ms + patience_ms);
        let up = self.asked.as_ref().map_or(u64::MAX, |a| {
            let more = if a.down_bytes >= BACKLOG_BYTES { heartbeat_ms } else { a.behind_ms };
            a.at + patience_ms + more
        });
        down.min(up)
    }

    /// When [`Pulse::due`] finds something.
    pub(super) fn deadline(&self, heartbeat_ms: u64, patience_ms: u64) -> u64 {
        let dead_at = self.dead_at(heartbeat_ms, patience_ms);
        if self.beat_ms == 0 || self.asked.is_some() {
            return dead_at;
        }
        dead_at.min(self.confirmed_at + self.beat_ms)
    }

    pub(super) fn due(&self, now: u64, heartbeat_ms: u64, patience: &mut Patience) -> Due {
        let patience_ms = patience.ms(heartbeat_ms);
        if now >= self.dead_at(heartbeat_ms, patience_ms) {
            patience.died(now);
            return Due::Death;
        }
        if now >= self.deadline(heartbeat_ms, patience_ms) { Due::Beat } else { Due::Nothing }
    }

    /// Nobody looked for a while, so the silence may be ours: only what follows is judged. The caller asks.
    pub(super) fn forgive(&mut self, now: u64, heartbeat_ms: u64, patience_ms: u64) {
        self.asked = None;
        self.heard_at = now;
        let left = self.dead_at(heartbeat_ms, patience_ms).saturating_sub(now);
        self.heard_at = now.saturating_sub(left.saturating_sub(patience_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: u64 = 10_000;

    fn pulse() -> Pulse {
        Pulse { beat_ms: 2_500, ..Pulse::new(0) }
    }

    fn dead_at(p: &Pulse, patience: &Patience) -> u64 {
        p.dead_at(HEARTBEAT, patience.ms(HEARTBEAT))
    }

    #[test]
    fn patience_grows_with_round_trips_and_repeated_deaths_and_calms_down() {
        let mut p = Patience::default();
        assert_eq!(p.ms(HEARTBEAT), 2_000);
        p.measured(800);
        assert_eq!(p.ms(HEARTBEAT), 3_200);
        p.measured(0);
        assert_eq!(p.ms(HEARTBEAT), 2_400, "by and by");
        (0..20).for_each(|_| p.measured(0));
        p.died(1_000);
        assert_eq!(p.ms(HEARTBEAT), 2_000, "the first one may well have been dead");
        p.died(30_000);
        assert_eq!(p.ms(HEARTBEAT), 4_000);
        (0..9).for_each(|n| p.died(31_000 + n));
        assert_eq!(p.ms(HEARTBEAT), HEARTBEAT);
        p.steady(31_008 + STEADY_MS - 1);
        assert_eq!(p.ms(HEARTBEAT), HEARTBEAT);
        p.steady(31_008 + STEADY_MS);
        assert_eq!(p.ms(HEARTBEAT), 2_000);
        assert_eq!(p.ms(100), 2_000, "however short the heartbeat");
    }

    #[test]
    fn either_direction_may_be_the_dead_one() {
        let mut patience = Patience::default();
        let mut p = pulse();
        assert_eq!(p.due(2_499, HEARTBEAT, &mut patience), Due::Nothing);
        assert_eq!(p.due(2_500, HEARTBEAT, &mut patience), Due::Beat);
        p.ask(2_500, true, 0, HEARTBEAT);
        assert_eq!(p.deadline(HEARTBEAT, 2_000), 4_500);
        assert_eq!(p.confirmed(2_540, &mut patience), Some(40));
        p.heard(2_540, 4);
        p.ask(5_040, true, 0, HEARTBEAT);
        p.heard(7_000, 60);
        assert_eq!(p.due(7_039, HEARTBEAT, &mut patience), Due::Nothing);
        assert_eq!(p.due(7_040, HEARTBEAT, &mut patience), Due::Death, "the way up");
        let mut p = pulse();
        p.confirmed(4_000, &mut patience);
        assert_eq!(dead_at(&p, &patience), 4_500, "the way down");
    }

    #[test]
    fn what_stands_before_an_answer_gives_it_time() {
        let patience = Patience::default();
        let mut p = pulse();
        p.ask(0, true, 64_000, HEARTBEAT);
        p.heard(9_000, 0);
        assert_eq!(dead_at(&p, &patience), 4_000, "2 s for 64 KB on their way up");
        p.heard(9_000, BACKLOG_BYTES);
        assert_eq!(dead_at(&p, &patience), 12_000, "a backlog on the way down");
        let mut p = pulse();
        p.ask(0, true, u64::MAX, HEARTBEAT);
        p.heard(9_000, 0);
        assert_eq!(dead_at(&p, &patience), 12_000);
    }

    #[test]
    fn who_did_not_look_judges_nobody() {
        let mut patience = Patience::default();
        for beat_ms in [0, 2_500, 60_000] {
            let mut p = Pulse { beat_ms, ..Pulse::new(0) };
            p.ask(10, true, 0, HEARTBEAT);
            p.forgive(600_000, HEARTBEAT, 2_000);
            assert_eq!(dead_at(&p, &patience), 602_000);
            p.ask(600_000, false, 0, HEARTBEAT);
            assert_eq!(p.due(601_999, HEARTBEAT, &mut patience), Due::Nothing);
        }
    }
}
