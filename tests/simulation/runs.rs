//! The tests: so many seeds of each profile, the same seed twice, and seeds that once showed something.

use crate::profile::{PROFILES, Profile};
use crate::world::{Check, World};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds per profile where nothing else is said: 2,100 in all.
const SEEDS: u64 = 350;
/// Lines of the trace that a failure shows.
const LINES: usize = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn attempt(world: &mut World) -> Check {
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    result.unwrap_or_else(|_| Err(String::from("it panicked")))
}

/// Runs one seed; if it fails, runs it again with a trace and shows that.
fn run(profile: Profile, seed: u64) -> World {
    let mut world = World::new(profile, seed);
    let Err(error) = attempt(&mut world) else { return world };
    let mut again = World::new(profile, seed);
    again.lines = Some(vec![]);
    let _ = attempt(&mut again);
    let lines = again.lines.unwrap_or_default();
    let name = profile.name;
    panic!(
        "seed {seed} of profile {name}, at {} ms: {error}\n\n{}\n\nreplay: CROSSPOINT_SEED={seed} CROSSPOINT_PROFILE={name} \
         cargo test -p crosspoint-tests --test simulation",
        world.now,
        lines[lines.len().saturating_sub(LINES)..].join("\n"),
    );
}

fn run_all(name: &str) {
    let profile = Profile::named(name).expect("a profile of that name");
    if let Some(seed) = number("CROSSPOINT_SEED") {
        if std::env::var("CROSSPOINT_PROFILE").is_ok_and(|p| p != name) {
            return;
        }
        run(profile, seed);
        return;
    }
    let (mut deliveries, mut gaps, mut steps) = (0, 0, 0);
    let seeds = number("CROSSPOINT_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let world = run(profile, seed);
        deliveries += world.model.deliveries;
        gaps += world.model.gaps;
        steps += world.steps;
    }
    println!("{name}: {seeds} seeds, {steps} steps, {deliveries} events delivered, {gaps} gaps");
    assert!(deliveries > seeds, "a profile in which nothing happens shows nothing");
}

#[test]
fn calm() {
    run_all("calm");
}

#[test]
fn links_that_die() {
    run_all("links");
}

#[test]
fn posts_lost_repeated_reordered() {
    run_all("posts");
}

#[test]
fn tiny_outboxes() {
    run_all("outbox");
}

#[test]
fn hub_restarts() {
    run_all("restarts");
}

#[test]
fn links_that_fall_silent() {
    run_all("silence");
}

#[test]
fn everything_at_once() {
    run_all("everything");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for profile in PROFILES {
        for seed in [1, 2, 77_777] {
            let trace = || {
                let mut world = World::new(*profile, seed);
                world.lines = Some(vec![]);
                let result = world.run();
                (world.lines.unwrap_or_default().join("\n"), result)
            };
            let (first, second) = (trace(), trace());
            assert!(first.0.len() > 10_000, "a trace says something");
            assert!(first == second, "seed {seed} of {}: two runs, two traces", profile.name);
        }
    }
}

/// Seeds that showed something while this was built, or would show it again.
fn again(profile: &str, seed: u64) {
    run(Profile::named(profile).expect("a profile of that name"), seed);
}

#[test]
fn seed_1_an_ack_that_overtakes_a_hello_lost_the_session() {
    again("outbox", 1);
}

#[test]
fn seed_18_frames_counted_on_the_link_before_were_lost_on_the_new_one() {
    again("calm", 18);
}

#[test]
fn seed_13_a_late_reading_of_the_history_ended_up_in_another_join() {
    again("restarts", 13);
}

#[test]
fn seed_16_live_events_that_a_reading_overtook_came_twice() {
    again("outbox", 16);
}

#[test]
fn seed_0_a_hello_repeated_by_a_post_closed_the_link_and_a_publish_came_before_its_join() {
    again("everything", 0);
}

#[test]
fn seed_42_replies_to_what_went_again_ended_each_new_session() {
    again("outbox", 42);
}

#[test]
fn seed_7_a_session_ended_and_left_its_old_link_open() {
    again("everything", 7);
}

#[test]
fn seed_94_a_replay_that_got_lost_was_not_announced() {
    again("outbox", 94);
}
