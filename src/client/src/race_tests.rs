use super::*;
use crate::net::Base;
use crate::transport::Transport;

fn race(cautious: bool) -> Race {
    let address = Base::parse("http://h").unwrap().endpoint("/x").unwrap();
    let ways = [(Transport::WebSocket, 0), (Transport::Sse, 200), (Transport::SsePoll, 250)];
    let candidate = |(transport, head_start_ms)| Candidate {
        transport,
        address: address.clone(),
        certificate_hashes: vec![],
        upgrade: false,
        head_start_ms,
        deadline_ms: 3000,
    };
    Race::new(0, ways.into_iter().map(candidate).collect(), cautious, 400)
}

fn actions(race: &mut Race) -> Vec<Action> {
    std::iter::from_fn(|| race.poll()).collect()
}

fn fault(code: Code) -> Fault {
    code.into()
}

use Action::{Drop, Failed, Hello, Open};

#[test]
fn the_first_says_hello_at_once_and_its_welcome_ends_the_race() {
    let mut r = race(false);
    assert_eq!(actions(&mut r), [Open { runner: 0, probe: false }, Hello { runner: 0 }]);
    assert_eq!(r.deadline(), 200);
    r.won(0);
    assert_eq!((actions(&mut r), r.deadline()), (vec![], u64::MAX));
}

#[test]
fn a_silent_first_is_overtaken_by_a_probe_that_is_answered() {
    let mut r = race(false);
    actions(&mut r);
    r.tick(200);
    assert_eq!(actions(&mut r), [Open { runner: 1, probe: true }]);
    r.proven(220, 1);
    assert_eq!(actions(&mut r), [], "it has its time");
    assert_eq!(r.deadline(), 400);
    r.tick(400);
    assert_eq!(actions(&mut r), [Drop { runner: 0 }, Hello { runner: 1 }]);
    assert_eq!(r.runners[1].due, 400 + TRUSTED_MIN_MS, "who is known to work answers soon");
    r.tick(450);
    assert_eq!(actions(&mut r), [], "nobody starts beside a leader whose path is known to work");
    r.won(1);
    assert_eq!(actions(&mut r), []);
    assert_eq!(
        r.failures().map(|(c, f)| (c.transport, f.code)).next(),
        Some((Transport::WebSocket, Code::Timeout))
    );
}

#[test]
fn a_failure_starts_the_next_without_waiting_for_its_turn() {
    let mut r = race(false);
    actions(&mut r);
    r.lost(10, 0, fault(Code::Unavailable));
    let next = [Drop { runner: 0 }, Open { runner: 1, probe: false }, Hello { runner: 1 }];
    assert_eq!(actions(&mut r), next);
    r.tick(259);
    assert_eq!(actions(&mut r), [], "the head start begins with the start");
    r.tick(260);
    assert_eq!(actions(&mut r)[0], Open { runner: 2, probe: true });
}

#[test]
fn a_refusal_is_final_and_all_failing_says_why_the_best_did() {
    let mut r = race(false);
    actions(&mut r);
    r.lost(10, 0, fault(Code::Unauthorized));
    assert_eq!(actions(&mut r), [Drop { runner: 0 }, Failed(fault(Code::Unauthorized))]);
    let mut r = race(false);
    for (runner, code) in [(0, Code::Unavailable), (1, Code::Timeout), (2, Code::Internal)] {
        r.lost(10, runner, fault(code));
    }
    assert_eq!(actions(&mut r).last(), Some(&Failed(fault(Code::Unavailable))));
    r.lost(11, 0, fault(Code::Internal));
    r.proven(12, 1);
    r.tick(9999);
    assert_eq!(actions(&mut r), []);
}

#[test]
fn a_cautious_race_entrusts_nothing_to_an_unknown_path() {
    let mut r = race(true);
    assert_eq!(actions(&mut r), [Open { runner: 0, probe: true }]);
    r.tick(200);
    assert_eq!(actions(&mut r), [Open { runner: 1, probe: true }]);
    r.proven(310, 1);
    assert_eq!(actions(&mut r), [Hello { runner: 1 }]);
    r.proven(320, 0);
    assert_eq!(actions(&mut r), [], "the hello is on its way already");
    r.lost(330, 1, fault(Code::Unavailable));
    assert_eq!(actions(&mut r), [Drop { runner: 1 }, Hello { runner: 0 }]);
}

#[test]
fn at_most_one_hello_is_under_way_whatever_happens() {
    for seed in 0..2000u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let mut r = race(draw(2) == 0);
        let (mut now, mut open, mut greeted, mut done) = (0, [false; 3], None, false);
        for _ in 0..60 {
            for action in actions(&mut r) {
                assert!(!done, "seed {seed}: an action after the end");
                match action {
                    Open { runner, .. } => {
                        assert!(!std::mem::replace(&mut open[runner], true), "seed {seed}")
                    }
                    Hello { runner } => {
                        assert!(open[runner] && greeted.replace(runner).is_none(), "seed {seed}");
                    }
                    Drop { runner } => {
                        assert!(std::mem::replace(&mut open[runner], false), "seed {seed}");
                        greeted.take_if(|g| *g == runner);
                    }
                    Failed(_) => done = true,
                }
            }
            assert!(done || greeted.is_some() || r.deadline() < u64::MAX, "seed {seed}: nothing will happen");
            let runner = draw(3) as usize;
            match draw(4) {
                0 => r.proven(now, runner),
                1 if open[runner] => r.lost(now, runner, fault(Code::Unavailable)),
                _ => {
                    now += draw(1000);
                    r.tick(now);
                }
            }
        }
    }
}
