import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Link } from './links/link.js';
import type { Candidate } from './plan.js';

type Phase = 'waiting' | 'probing' | 'proven' | 'greeted' | 'over';

/** One candidate of a race. */
export interface Runner {
  readonly candidate: Candidate;
  phase: Phase;
  link: Link | null;
  error: CrosspointError | null;
  cancel: (() => void) | null;
  /** It showed by a probe that its path works. */
  trusted: boolean;
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

/** Finds the first candidate that carries a hello and its welcome. The best one says hello at once; later ones are opened
 * as probes when their head start is over, and one that has shown that it works gets the hello if nothing was welcomed by
 * then. At any time at most one hello is under way. */
export class Race {
  private readonly runners: Runner[];
  private greeted: Runner | null = null;
  private over = false;
  private timers: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    candidates: Candidate[],
    private readonly hooks: RaceHooks,
    /** The first must show by a probe that it works before it gets the hello. */
    private readonly cautious = false,
  ) {
    this.runners = candidates.map((candidate) => ({
      candidate,
      phase: 'waiting',
      link: null,
      error: null,
      cancel: null,
      trusted: false,
    }));
  }

  start(): void {
    const [first, ...others] = this.runners;
    if (!first) {
      this.finish(new CrosspointError('unavailable', 'no transport is allowed and offered'));
      return;
    }
    for (const runner of others) {
      this.timers.push(this.clock.after(runner.candidate.headStartMs, () => this.due(runner)));
    }
    if (this.cautious) this.probe(first);
    else this.greet(first);
  }

  /** The runner's path carries both directions. */
  proven(runner: Runner): void {
    if (this.over || runner.phase !== 'probing') return;
    runner.phase = 'proven';
    runner.trusted = true;
    const { greeted } = this;
    if (greeted?.trusted) return;
    if (greeted) {
      this.giveUp(greeted, new CrosspointError('timeout', `${greeted.candidate.transport} was overtaken`));
    }
    this.greet(runner);
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

  private due(runner: Runner): void {
    if (this.over || runner.phase !== 'waiting' || this.greeted?.trusted) return;
    this.probe(runner);
  }

  private next(): void {
    if (this.over || this.greeted) return;
    const proven = this.runners.find((runner) => runner.phase === 'proven');
    const waiting = this.runners.find((runner) => runner.phase === 'waiting');
    if (proven) this.greet(proven);
    else if (this.runners.some((runner) => runner.phase === 'probing')) return;
    else if (!waiting) this.finish(this.runners[0]?.error ?? new CrosspointError('unavailable'));
    else if (this.cautious) this.probe(waiting);
    else this.greet(waiting);
  }

  private probe(runner: Runner): void {
    runner.phase = 'probing';
    runner.link = this.hooks.make(runner);
    this.deadline(runner);
    runner.link.open(true);
  }

  private greet(runner: Runner): void {
    const fresh = runner.link === null;
    runner.phase = 'greeted';
    this.greeted = runner;
    runner.link ??= this.hooks.make(runner);
    const { link } = runner;
    this.deadline(runner);
    this.hooks.hello(runner);
    if (fresh && !this.over && this.greeted === runner) link.open(false);
  }

  private deadline(runner: Runner): void {
    const { transport, deadlineMs } = runner.candidate;
    runner.cancel?.();
    runner.cancel = this.clock.after(deadlineMs, () => {
      this.lost(runner, new CrosspointError('timeout', `${transport} did not answer within ${deadlineMs} ms`));
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
    runner.link?.close();
    this.hooks.drop(runner, error);
  }

  private finish(error: CrosspointError): void {
    if (this.over) return;
    this.stop();
    this.hooks.failed(error);
  }
}
