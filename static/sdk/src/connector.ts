import { CrosspointError } from './codes.js';
import type { Clock } from './clock.js';
import type { Directory } from './directory.js';
import type { Driver } from './driver.js';
import type { TransportName } from './links/link.js';
import type { NetworkMemory } from './memory.js';
import type { Negotiated } from './negotiate.js';
import { arrange, fairMs, type Allowed, type Candidate } from './plan.js';
import type { Pace, Reputation } from './policy.js';
import { Race, type Runner } from './race.js';
import type { LinkId } from './session/types.js';
import type { Tokens } from './tokens.js';
import type { Cause } from './types.js';

/** An attempt that began so lately isn't begun anew (ms). */
const FRESH_MS = 2_000;
/** Signs that the network may be back are heeded so often (ms). */
const HURRY_EVERY_MS = 1_000;

export interface Current {
  id: LinkId;
  transport: TransportName;
  at: number;
}

/** How a link came to carry the session. */
export interface Connected {
  transport: TransportName;
  cause: Cause;
  /** From the beginning of the race to the welcome (ms). */
  ms: number;
  /** When the attempt that led here began, negotiation included. */
  began: number;
}

export interface ConnectorHooks {
  /** A link carries the session. */
  connected(how: Connected): void;
  /** No link carries it any more; another is looked for. */
  lost(error: CrosspointError): void;
  /** No link was found; it will be tried again. */
  failed(error: CrosspointError): void;
  /** It will not be tried again. */
  ended(error: CrosspointError): void;
  negotiated(negotiated: Negotiated): void;
  /** A transport was tried for so long: `won`, `overtaken`, or the code it failed with. */
  tried(transport: TransportName, outcome: string, ms: number): void;
}

interface Running {
  race: Race;
  cause: Cause;
  began: number;
  runners: Map<LinkId, Runner>;
  failed: (error: CrosspointError) => void;
}

/** Keeps a link: negotiates, races, falls back, and after a loss resumes with backoff. */
export class Connector {
  current: Current | null = null;
  /** The browser says that there is no network. */
  offline = false;
  /** Another tab has the link. */
  idle = false;
  private expired = false;
  private running: Running | null = null;
  private attempting: AbortController | null = null;
  private attemptedAt = -Infinity;
  private hurriedAt = -Infinity;
  private cancelRetry: (() => void) | null = null;
  /** What carried the session last. */
  last: TransportName | null = null;
  private failures = 0;
  private over = false;

  constructor(
    private readonly clock: Clock,
    private readonly driver: Driver,
    private readonly tokens: Tokens,
    private readonly directory: Directory,
    private readonly allowed: Allowed,
    private readonly memory: NetworkMemory,
    private readonly reputation: Reputation,
    private readonly pace: Pace,
    private readonly hooks: ConnectorHooks,
  ) {}

  get candidates(): Candidate[] {
    return this.directory.candidates;
  }

  /** Looks for a link now, whatever was waited for. Does nothing while one is there or being looked for. */
  connect(): void {
    if (this.idle || this.over || this.current || this.attempting || this.running) return;
    this.cancelRetry?.();
    this.cancelRetry = null;
    this.attemptedAt = this.clock.now();
    const abort = (this.attempting = new AbortController());
    // What the session's end took away has to be proven again; else a resume needs nobody's leave.
    const resuming = this.resuming && !this.expired;
    void this.directory.ask(resuming, this.failures, abort.signal).then(
      (negotiated) => {
        if (this.attempting !== abort) return;
        this.attempting = null;
        if (negotiated) this.hooks.negotiated(negotiated);
        this.raceAll();
      },
      (error: unknown) => {
        if (this.attempting !== abort) return;
        this.attempting = null;
        this.failed(error instanceof CrosspointError ? error : new CrosspointError('internal', String(error)));
      },
    );
  }

  /** Asks the hub again what it offers where that is known from long ago, while the present link goes on. */
  async renew(): Promise<void> {
    if (!this.directory.old) return;
    const negotiated = await this.directory.ask(true, 0, new AbortController().signal).catch(() => null);
    if (negotiated && !this.over) this.hooks.negotiated(negotiated);
  }

  /** Looks again from the beginning, at once. */
  restart(): void {
    this.abort();
    this.connect();
  }

  /** Something says that it may work now: no further waiting. An attempt that has only begun goes on. */
  hurry(): void {
    const now = this.clock.now();
    const underWay = this.attempting !== null || this.running !== null;
    if (this.over || this.current || (underWay && now - this.attemptedAt < FRESH_MS)) return;
    if ((underWay || this.cancelRetry) && now - this.hurriedAt < HURRY_EVERY_MS) return;
    this.hurriedAt = now;
    this.abort();
    this.retryIn(this.pace.hurried());
  }

  /** The client is on another network: what was learnt holds no more. */
  networkChanged(): void {
    this.memory.forget();
    this.reputation.clear();
    this.directory.refresh();
    this.last = null;
  }

  /** Ends all attempts for good. */
  stop(): void {
    this.over = true;
    this.pause();
  }

  /** Ends all attempts and forgets the link, until `connect`. */
  pause(): void {
    this.current = null;
    this.abort();
  }

  /** Races for another link while the present one goes on. */
  move(candidates: Candidate[], cause: Cause, failed: (error: CrosspointError) => void): void {
    this.stopRace();
    // What is being tried in the background shows by a probe that it works before the session is entrusted to it.
    this.race(cause === 'up' ? candidates : this.arranged(candidates), cause, cause === 'up', failed);
  }

  stopRace(): void {
    const { running } = this;
    this.running = null;
    running?.race.stop();
    running?.failed(new CrosspointError('replaced', 'another attempt came between'));
  }

  get racing(): Cause | null {
    return this.running?.cause ?? null;
  }

  proven(id: LinkId): void {
    const runner = this.running?.runners.get(id);
    if (runner) this.running?.race.proven(runner);
  }

  welcomed(id: LinkId): void {
    const { running } = this;
    const runner = running?.runners.get(id);
    if (!running || !runner) return;
    this.running = null;
    running.race.won(runner);
    const { transport } = runner.candidate;
    const now = this.clock.now();
    for (const { candidate, error } of running.runners.values()) {
      // A crowd of tabs says nothing about the network.
      if (error && error.code !== 'bye' && error.code !== 'limit_exceeded') this.memory.failed(candidate.transport, error.code);
    }
    // What the application chose says nothing about the network.
    if (running.cause !== 'manual') this.memory.worked(transport);
    this.tokens.accepted();
    this.tell(running);
    const cause = this.causeOf(running.cause, transport);
    if (this.current) this.pace.lived(now - this.current.at);
    this.current = { id, transport, at: now };
    this.last = transport;
    this.failures = 0;
    this.expired = false;
    this.directory.welcomed();
    const fresh = running.cause === 'connect' || running.cause === 'lost';
    this.hooks.connected({ transport, cause, ms: now - running.began, began: fresh ? this.attemptedAt : running.began });
  }

  gone(id: LinkId, error: CrosspointError, fault: boolean): void {
    const runner = this.running?.runners.get(id);
    if (runner) this.running?.race.lost(runner, error, fault);
    else if (this.current?.id === id && !(error.code === 'replaced' && !fault)) this.lost(error, fault);
  }

  private get resuming(): boolean {
    return this.driver.machine.session !== null;
  }

  private lost(error: CrosspointError, fault: boolean): void {
    const { current } = this;
    if (!current) return;
    this.current = null;
    const lived = this.clock.now() - current.at;
    this.pace.lived(lived);
    const silent = error.code === 'heartbeat_timeout' || error.code === 'timeout';
    if (!fault) this.reputation.died(current.transport, lived, silent);
    if (!fault && silent) this.memory.failed(current.transport, error.code);
    this.hooks.lost(error);
    if (this.racing === 'up') this.stopRace();
    if (this.running || this.over) return;
    // The session outlives its link; `replaced` can only come of a hello of ours that was overtaken.
    const own = !fault || error.code === 'replaced';
    this.again(own ? new CrosspointError(error.code, error.message, 'now', error.retryAfterMs, error.address) : error);
  }

  private failed(error: CrosspointError): void {
    if (this.over || this.current) return;
    this.directory.failed();
    this.hooks.failed(error);
    this.again(error);
  }

  /** When to try again, if ever. */
  private again(error: CrosspointError): void {
    if (this.over || this.current) return;
    this.failures += 1;
    if (error.code === 'session_expired') this.expired = true;
    const elsewhere = error.address !== undefined && this.directory.redirect(error.address);
    const refused = error.retry === 'refresh' && !this.tokens.refused();
    if (!elsewhere && (error.retry === 'never' || refused)) {
      this.over = true;
      this.pause();
      this.hooks.ended(refused ? signedOut(error) : error);
      return;
    }
    // The browser may be wrong, so the first attempt after a loss is made all the same.
    this.retryIn(this.pace.next(error, this.offline && this.failures > 1));
  }

  private retryIn(ms: number): void {
    this.cancelRetry?.();
    this.cancelRetry = this.clock.after(ms, () => {
      this.cancelRetry = null;
      this.connect();
    });
  }

  private abort(): void {
    this.attempting?.abort();
    this.attempting = null;
    this.cancelRetry?.();
    this.cancelRetry = null;
    this.stopRace();
  }

  /** After a loss the way may lead down. */
  private causeOf(cause: Cause, transport: TransportName): Cause {
    const rank = (name: TransportName | null) => this.candidates.findIndex((c) => c.transport === name);
    return cause === 'lost' && rank(transport) > rank(this.last) ? 'down' : cause;
  }

  private arranged(candidates: Candidate[]): Candidate[] {
    return arrange(candidates, this.memory, this.reputation, this.last, this.directory.tookMs);
  }

  private raceAll(): void {
    if (this.over || this.current) return;
    const allowed = this.candidates.filter(({ transport }) => this.allowed.has(transport));
    const first = this.last ?? this.memory.winner;
    const sure = allowed.filter(({ upgrade, transport }) => !upgrade || transport === first);
    this.race(this.arranged(sure.length > 0 ? sure : allowed), this.resuming ? 'lost' : 'connect', false, () => {});
  }

  private race(candidates: Candidate[], cause: Cause, cautious: boolean, failed: (error: CrosspointError) => void): void {
    const runners = new Map<LinkId, Runner>();
    const ids = new Map<Runner, LinkId>();
    const hooks = {
      make: (runner: Runner) => {
        const { id, link } = this.driver.make(runner.candidate);
        runners.set(id, runner);
        ids.set(runner, id);
        return link;
      },
      hello: (runner: Runner) => {
        const why = this.causeOf(cause, runner.candidate.transport);
        this.driver.input({ op: 'hello', link: ids.get(runner)!, cause: why, auth: this.directory.auth() });
      },
      drop: (runner: Runner) => this.driver.drop(ids.get(runner)!),
      failed: (error: CrosspointError) => {
        if (this.running !== running) return;
        this.running = null;
        this.tell(running);
        failed(error);
        if (this.current) return;
        // It may be the ticket that was too old; the next negotiation shows whether the token is.
        const doubtful = error.code === 'unauthorized' && this.directory.hasTicket;
        this.failed(doubtful ? new CrosspointError(error.code, error.message, 'backoff') : error);
      },
    };
    const race = new Race(this.clock, candidates, hooks, { cautious, fairMs: fairMs(this.directory.tookMs) });
    const running: Running = { race, cause, began: this.clock.now(), runners, failed };
    this.running = running;
    race.start();
  }

  private tell({ runners }: Running): void {
    for (const { candidate, error, startedAt, endedAt } of runners.values()) {
      const outcome = error === null ? 'won' : error.code === 'bye' ? 'overtaken' : error.code;
      this.hooks.tried(candidate.transport, outcome, endedAt - startedAt);
    }
  }
}

/** No token that this client can have lets it in (any more). */
function signedOut(error: CrosspointError): CrosspointError {
  if (error.code === 'unauthorized') return error;
  const final = new CrosspointError('unauthorized');
  final.cause = error;
  return final;
}
