import { Backoff } from './backoff.js';
import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Driver } from './driver.js';
import type { TransportName } from './links/link.js';
import { CLIENT, negotiate, type Family, type Negotiated } from './negotiate.js';
import { arrange, candidatesOf, type Allowed, type Candidate, type Memory } from './plan.js';
import { Race, type Runner } from './race.js';
import type { LinkId } from './session/types.js';
import type { Tokens } from './tokens.js';
import type { Cause } from './types.js';

/** A link that died younger than this did not really work (ms). */
const STABLE_MS = 1_000;

export interface ConnectorOptions {
  base: string;
  user: string | undefined;
  info: object | undefined;
  fetch: typeof fetch;
  /** What this runtime can do; the negotiation is told, whatever is allowed at the moment. */
  families: Family[];
  connectTimeoutMs: number;
}

export interface Current {
  id: LinkId;
  transport: TransportName;
  at: number;
}

export interface ConnectorHooks {
  /** A link carries the session. */
  connected(transport: TransportName, cause: Cause, ms: number): void;
  /** No link carries it any more; another is looked for. */
  lost(error: CrosspointError): void;
  /** No link was found; it will be tried again. */
  failed(error: CrosspointError): void;
  /** It will not be tried again. */
  ended(error: CrosspointError): void;
  negotiated(negotiated: Negotiated): void;
}

interface Running {
  race: Race;
  cause: Cause;
  began: number;
  runners: Map<LinkId, Runner>;
  ids: Map<Runner, LinkId>;
  failed: (error: CrosspointError) => void;
}

/** Keeps a link: negotiates, races, falls back, and after a loss resumes with backoff. */
export class Connector {
  current: Current | null = null;
  /** What the hub offers, in its order while nothing had failed. */
  candidates: Candidate[] = [];
  private negotiated: Negotiated | null = null;
  /** A ticket that no welcome has used up. */
  private ticket: { name: string; until: number } | null = null;
  /** The hub no longer has the session: it wants to know again who this is. */
  private expired = false;
  private running: Running | null = null;
  private attempting: AbortController | null = null;
  private cancelRetry: (() => void) | null = null;
  private last: TransportName | null = null;
  private quick = true;
  private failures = 0;
  private over = false;

  constructor(
    private readonly options: ConnectorOptions,
    private readonly clock: Clock,
    private readonly driver: Driver,
    private readonly tokens: Tokens,
    private readonly allowed: Allowed,
    private readonly memory: Memory,
    private readonly backoff: Backoff,
    private readonly hooks: ConnectorHooks,
  ) {}

  /** Looks for a link now, whatever was waited for. Does nothing while one is there or being looked for. */
  connect(): void {
    if (this.over || this.current || this.attempting || this.running) return;
    this.cancelRetry?.();
    this.cancelRetry = null;
    const abort = (this.attempting = new AbortController());
    void this.prepare(abort.signal).then(
      () => {
        if (this.attempting !== abort) return;
        this.attempting = null;
        this.raceAll();
      },
      (error: unknown) => {
        if (this.attempting !== abort) return;
        this.attempting = null;
        this.failed(error instanceof CrosspointError ? error : new CrosspointError('internal', String(error)));
      },
    );
  }

  /** Looks again from the beginning, at once. */
  restart(): void {
    this.attempting?.abort();
    this.attempting = null;
    this.stopRace();
    this.connect();
  }

  /** Ends all attempts for good. */
  stop(): void {
    this.over = true;
    this.pause();
  }

  /** Ends all attempts and forgets the link, until `connect`. */
  pause(): void {
    this.current = null;
    this.attempting?.abort();
    this.attempting = null;
    this.cancelRetry?.();
    this.cancelRetry = null;
    this.stopRace();
  }

  /** Races for another link while the present one goes on. */
  move(candidates: Candidate[], cause: Cause, failed: (error: CrosspointError) => void): void {
    this.stopRace();
    // What is being tried in the background shows by a probe that it works before the session is entrusted to it.
    this.race(candidates, cause, cause === 'up', failed);
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
      if (error && error.code !== 'bye') this.memory.failed(candidate.transport, error.code, now);
    }
    this.memory.worked(transport);
    this.tokens.accepted();
    const cause = this.causeOf(running.cause, transport);
    this.current = { id, transport, at: now };
    this.last = transport;
    this.failures = 0;
    this.ticket = null;
    this.expired = false;
    this.hooks.connected(transport, cause, now - running.began);
  }

  gone(id: LinkId, error: CrosspointError, fault: boolean): void {
    const runner = this.running?.runners.get(id);
    if (runner) this.running?.race.lost(runner, error, fault);
    else if (this.current?.id === id && !(error.code === 'replaced' && !fault)) this.lost(error, fault);
  }

  private lost(error: CrosspointError, fault: boolean): void {
    const { current } = this;
    if (!current) return;
    this.current = null;
    const now = this.clock.now();
    if (now - current.at >= STABLE_MS) {
      this.backoff.reset();
      this.quick = true;
    }
    if (error.code === 'heartbeat_timeout') this.memory.failed(current.transport, error.code, now);
    this.hooks.lost(error);
    if (this.racing === 'up') this.stopRace();
    if (this.running || this.over) return;
    // The session outlives its link; `replaced` can only come of a hello of ours that was overtaken.
    const own = !fault || error.code === 'replaced';
    this.again(own ? new CrosspointError(error.code, error.message, 'now') : error);
  }

  private failed(error: CrosspointError): void {
    if (this.over || this.current) return;
    this.hooks.failed(error);
    this.again(error);
  }

  /** When to try again, if ever. */
  private again(error: CrosspointError): void {
    if (this.over || this.current) return;
    this.failures += 1;
    if (error.code === 'session_expired') this.expired = true;
    if (error.retry === 'never' || (error.retry === 'refresh' && !this.tokens.refused())) {
      this.over = true;
      this.pause();
      this.hooks.ended(error);
      return;
    }
    const atOnce = error.retry !== 'backoff' && this.quick && error.retryAfterMs === undefined;
    if (error.retry !== 'backoff') this.quick = false;
    this.cancelRetry?.();
    this.cancelRetry = this.clock.after(atOnce ? 0 : this.backoff.next(error.retryAfterMs), () => {
      this.cancelRetry = null;
      this.connect();
    });
  }

  private async prepare(signal: AbortSignal): Promise<void> {
    const token = await this.tokens.get();
    // A running session needs no ticket; after failures the hub may know better ways.
    if (this.driver.machine.session !== null && this.negotiated && this.failures <= 1 && !this.expired) return;
    const { base, user, info, families: transports, connectTimeoutMs: deadlineMs } = this.options;
    const failed = this.memory.report(this.clock.now());
    const ask = { base, token, transports, failed, user, info, deadlineMs };
    try {
      this.negotiated = await negotiate(this.clock, this.options.fetch, ask, signal);
    } catch (error) {
      if (this.driver.machine.session !== null && this.negotiated && (error as CrosspointError).retry === 'backoff') return;
      throw error;
    }
    if (signal.aborted) return;
    const { ticket, ticketUntil: until } = this.negotiated;
    this.ticket = ticket === null ? null : { name: ticket, until };
    const candidates = candidatesOf(base, this.negotiated.offers, deadlineMs);
    if (failed.length === 0 || this.candidates.length === 0) this.candidates = candidates;
    this.hooks.negotiated(this.negotiated);
  }

  /** After a loss the way may lead down. */
  private causeOf(cause: Cause, transport: TransportName): Cause {
    const rank = (name: TransportName | null) => this.candidates.findIndex((c) => c.transport === name);
    return cause === 'lost' && rank(transport) > rank(this.last) ? 'down' : cause;
  }

  private raceAll(): void {
    if (this.over || this.current) return;
    const resuming = this.driver.machine.session !== null;
    const allowed = this.candidates.filter(({ transport }) => this.allowed.has(transport));
    const list = arrange(allowed, this.memory, this.last, this.negotiated?.tookMs ?? 0, this.clock.now());
    this.race(list, resuming ? 'lost' : 'connect', false, () => {});
  }

  private race(candidates: Candidate[], cause: Cause, cautious: boolean, failed: (error: CrosspointError) => void): void {
    const runners = new Map<LinkId, Runner>();
    const ids = new Map<Runner, LinkId>();
    const hooks = {
      make: (runner: Runner) => {
        const { transport, url } = runner.candidate;
        const { id, link } = this.driver.make(transport, url);
        runners.set(id, runner);
        ids.set(runner, id);
        return link;
      },
      hello: (runner: Runner) => {
        const why = this.causeOf(cause, runner.candidate.transport);
        this.driver.input({ op: 'hello', link: ids.get(runner)!, cause: why, auth: this.auth() });
      },
      drop: (runner: Runner) => this.driver.drop(ids.get(runner)!),
      failed: (error: CrosspointError) => {
        if (this.running !== running) return;
        this.running = null;
        failed(error);
        if (this.current) return;
        // It may be the ticket that was too old; the next negotiation shows whether the token is.
        const doubtful = error.code === 'unauthorized' && this.ticket !== null;
        this.failed(doubtful ? new CrosspointError(error.code, error.message, 'backoff') : error);
      },
    };
    const race = new Race(this.clock, candidates, hooks, cautious);
    const running: Running = { race, cause, began: this.clock.now(), runners, ids, failed };
    this.running = running;
    race.start();
  }

  /** Who I am, for the hello: the ticket where there is a fresh one, else the token. */
  private auth(): Record<string, unknown> {
    const { user, info } = this.options;
    const { ticket } = this;
    const who: Record<string, unknown> = { client: CLIENT };
    if (ticket && this.clock.now() < ticket.until) who.ticket = ticket.name;
    else if (this.tokens.known !== null) who.token = this.tokens.known;
    if (user !== undefined) who.user = user;
    if (info !== undefined) who.info = info;
    return who;
  }
}
