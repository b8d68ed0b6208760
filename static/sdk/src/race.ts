import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Link } from './links/link.js';
import type { Candidate } from './plan.js';

type Phase = 'waiting' | 'probing' | 'proven' | 'greeted' | 'over';

/** Who has shown that it works answers the hello in so many times what that took, or in so many ms. */
const TRUSTED_TIMES = 5;
const TRUSTED_MIN_MS = 1_500;

/** One candidate of a race. */
export interface Runner {
  readonly candidate: Candidate;
  phase: Phase;
  link: Link | null;
  error: CrosspointError | null;
  cancel: (() => void) | null;
  /** It showed by a probe that its path works. */
  trusted: boolean;
  /** When it started, and ended one way or the other; 0 where it didn't. */
  startedAt: number;
  endedAt: number;
}

export interface RaceHooks {
  /** Makes a link whose events are passed to `proven`, `lost` and (by the welcome) `won`. */
  make(runner: Runner): Link;
  /** Says hello on the runner's link. */
  hello(runner: Runner): void;
  /** The runner's link was given up; no frame of it counts any more. */
  drop(runner: Runner, error: CrosspointError): void;
  failed(error: CrosspointError): void;
}

export interface RaceOptions {
  /** The first must show by a probe that it works before it gets the hello. */
  cautious: boolean;
  /** How long who has the hello is left alone. */
  fairMs: number;
}

const waiting = (candidate: Candidate): Runner => ({
  candidate,
  phase: 'waiting',
  link: null,
  error: null,
  cancel: null,
  trusted: false,
  startedAt: 0,
  endedAt: 0,
});

/** Finds the first candidate that carries a hello and its welcome. The best one says hello at once; later ones are opened
 * as probes when their head start is over, and one that has shown that it works gets the hello if nothing was welcomed by
 * then. At any time at most one hello is under way. */
export class Race {
  readonly runners: Runner[];
  private greeted: Runner | null = null;
  private over = false;
  private timers: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    candidates: Candidate[],
    private readonly hooks: RaceHooks,
    private readonly options: RaceOptions,
  ) {
    this.runners = candidates.map(waiting);
  }

  start(): void {
    const [first] = this.runners;
    if (!first) this.finish(new CrosspointError('unavailable', 'no transport is allowed and offered'));
    else if (this.options.cautious) this.probe(first);
    else this.greet(first);
  }

  /** The runner's path carries both directions. */
  proven(runner: Runner): void {
    if (this.over || runner.phase !== 'probing') return;
    runner.phase = 'proven';
    runner.trusted = true;
    const { greeted } = this;
    if (!greeted) this.greet(runner);
    else if (!greeted.trusted) this.after(greeted.startedAt + this.options.fairMs - this.clock.now(), () => this.overtake(greeted));
  }

  /** `fault`: the hub itself said so. */
  lost(runner: Runner, error: CrosspointError, fault = false): void {
    if (this.over || runner.phase === 'over') return;
    const wasGreeted = runner === this.greeted;
    this.giveUp(runner, error);
    // A hello that was understood and refused would be refused everywhere.
    const verdict = fault || error.retry === 'never' || error.retry === 'refresh' || error.code === 'session_expired';
    if (wasGreeted && verdict) this.finish(error);
    else this.next();
  }

  /** The runner's hello was welcomed: it keeps its link, all others are closed. */
  won(runner: Runner): void {
    runner.endedAt = this.clock.now();
    this.stop(runner);
  }

  /** Gives all up without a word. */
  stop(keep?: Runner): void {
    this.over = true;
    for (const cancel of this.timers) cancel();
    for (const runner of this.runners) {
      runner.cancel?.();
      if (runner !== keep) this.giveUp(runner, new CrosspointError('bye', 'another transport won'));
    }
  }

  private after(ms: number, fn: () => void): void {
    if (ms <= 0) fn();
    else this.timers.push(this.clock.after(ms, fn));
  }

  private overtake(greeted: Runner): void {
    if (this.over || this.greeted !== greeted) return;
    this.giveUp(greeted, new CrosspointError('timeout', `${greeted.candidate.transport} was overtaken`));
    this.next();
  }

  private next(): void {
    if (this.over || this.greeted) return;
    const proven = this.runners.find((runner) => runner.phase === 'proven');
    const unstarted = this.runners.find((runner) => runner.phase === 'waiting');
    if (proven) this.greet(proven);
    else if (this.runners.some((runner) => runner.phase === 'probing')) return;
    else if (!unstarted) this.finish(this.verdict());
    else if (this.options.cautious) this.probe(unstarted);
    else this.greet(unstarted);
  }

  /** All have failed: who says when to come back is heard, else the first. */
  private verdict(): CrosspointError {
    const errors = this.runners.flatMap(({ error }) => error ?? []);
    const [first = new CrosspointError('unavailable')] = errors;
    return errors.find(({ retryAfterMs }) => retryAfterMs !== undefined) ?? first;
  }

  private probe(runner: Runner): void {
    runner.phase = 'probing';
    const link = this.begin(runner);
    this.deadline(runner);
    link.open(true);
  }

  private greet(runner: Runner): void {
    const fresh = runner.link === null;
    runner.phase = 'greeted';
    this.greeted = runner;
    const link = runner.link ?? this.begin(runner);
    this.deadline(runner);
    this.hooks.hello(runner);
    if (fresh && !this.over && this.greeted === runner) link.open(false);
  }

  /** The runner starts, and with it the head start that it has of the next one. */
  private begin(runner: Runner): Link {
    runner.startedAt = this.clock.now();
    runner.link = this.hooks.make(runner);
    const next = this.runners[this.runners.indexOf(runner) + 1];
    if (next) {
      this.timers.push(
        this.clock.after(next.candidate.headStartMs, () => {
          if (!this.over && next.phase === 'waiting' && !this.greeted?.trusted) this.probe(next);
        }),
      );
    }
    const { againMs, ...same } = runner.candidate;
    if (againMs !== undefined) this.timers.push(this.clock.after(againMs, () => this.repeat(runner, same)));
    return runner.link;
  }

  /** The request may have got lost on its way. */
  private repeat(runner: Runner, candidate: Candidate): void {
    if (this.over || runner.phase === 'over' || runner.trusted || this.greeted?.trusted) return;
    const again = waiting(candidate);
    this.runners.splice(this.runners.indexOf(runner) + 1, 0, again);
    this.probe(again);
  }

  private deadline(runner: Runner): void {
    const { transport, deadlineMs } = runner.candidate;
    const shown = this.clock.now() - runner.startedAt;
    const ms = runner.trusted ? Math.min(deadlineMs, Math.max(TRUSTED_MIN_MS, TRUSTED_TIMES * shown)) : deadlineMs;
    runner.cancel?.();
    runner.cancel = this.clock.after(ms, () => {
      this.lost(runner, new CrosspointError('timeout', `${transport} did not answer within ${Math.round(ms)} ms`));
    });
  }

  private giveUp(runner: Runner, error: CrosspointError): void {
    if (runner.phase === 'over') return;
    const started = runner.phase !== 'waiting';
    runner.phase = 'over';
    runner.error = error;
    runner.cancel?.();
    if (this.greeted === runner) this.greeted = null;
    if (!started) return;
    runner.endedAt = this.clock.now();
    runner.link?.close();
    this.hooks.drop(runner, error);
  }

  private finish(error: CrosspointError): void {
    if (this.over) return;
    this.stop();
    this.hooks.failed(error);
  }
}
