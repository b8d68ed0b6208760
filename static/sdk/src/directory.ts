import type { Clock } from './clock.js';
import type { CrosspointError } from './codes.js';
import { PathError } from './links/http.js';
import type { NetworkMemory } from './memory.js';
import { baseUrl, CLIENT, DIRECT, negotiate, type Family, type Negotiated } from './negotiate.js';
import { candidatesOf, type Candidate } from './plan.js';
import type { Tokens } from './tokens.js';

/** The first negotiation is given up and repeated after this (ms), the next ones later. */
const PATIENCE_MS = 3_000;
/** Failures in a row after which a hub that another one named is left again. */
const AWAY_FAILURES = 2;
/** What a hub offers is asked again after so long: certificates that are trusted by their hashes live for days. */
const OLD_MS = 6 * 3_600_000;

export interface DirectoryOptions {
  base: string;
  user: string | undefined;
  info: object | undefined;
  fetch: typeof fetch;
  /** What this runtime can do; the negotiation is told, whatever is allowed at the moment. */
  families: Family[];
  connectTimeoutMs: number;
  /** Whether the hub may name another one to go to. */
  redirect: boolean | ((url: string) => boolean);
}

/** What is known of the hub: where it is, what it offers, and who it takes the client for. */
export class Directory {
  /** What the hub offers, in its order while nothing had failed. */
  candidates: Candidate[] = [];
  tookMs = 0;
  private negotiated: Negotiated | null = null;
  /** The order of the offers when nothing had failed. */
  private order: string[] = [];
  /** A ticket that no welcome has used up. */
  private ticket: { name: string; until: number } | null = null;
  private away: { base: string; failures: number } | null = null;
  private stale = true;
  private askedAt = 0;

  constructor(
    private readonly options: DirectoryOptions,
    private readonly clock: Clock,
    private readonly tokens: Tokens,
    private readonly memory: NetworkMemory,
  ) {}

  get base(): string {
    return this.away?.base ?? this.options.base;
  }

  /** There is a ticket that hasn't been welcomed. */
  get hasTicket(): boolean {
    return this.ticket !== null;
  }

  /** What is known was heard long ago. */
  get old(): boolean {
    return this.negotiated !== null && this.clock.now() - this.askedAt > OLD_MS;
  }

  /** The hub is to be asked again before the next attempt. */
  refresh(): void {
    this.stale = true;
  }

  /** Asks the hub, unless what is known will do: for a resume it does until two attempts (`failures`) have failed. Returns
   * what came new. */
  async ask(resuming: boolean, failures: number, signal: AbortSignal): Promise<Negotiated | null> {
    const token = await this.tokens.get();
    const { negotiated, base } = this;
    if (resuming && negotiated && failures <= 1 && !this.stale && !this.old) return null;
    const { user, info, families: transports, connectTimeoutMs, fetch } = this.options;
    // What failed changes the hub's order, which has to be known without that first.
    const failed = this.order.length > 0 ? this.memory.report() : [];
    const deadlineMs = Math.min(connectTimeoutMs, PATIENCE_MS * 2 ** Math.min(Math.max(0, failures - 1), 8));
    try {
      const ask = { base, token, transports, failed, user, info, deadlineMs };
      this.take(await negotiate(this.clock, fetch, ask, signal), failed.length > 0);
    } catch (error) {
      const { retry } = error as CrosspointError;
      if (resuming && negotiated && retry === 'backoff') return null;
      // A path that swallows or refuses this request may well let others through.
      const notThisWay = error instanceof PathError && error.kind !== 'answered' && retry === 'backoff';
      if (signal.aborted || !notThisWay || negotiated || failures === 0) throw error;
      this.take(DIRECT, false);
    }
    return this.negotiated;
  }

  /** The hub sent the client elsewhere. `false`: it doesn't go there. */
  redirect(address: string): boolean {
    const { redirect, base: home } = this.options;
    if (!/^https?:\/\//i.test(address) || redirect === false) return false;
    try {
      const base = baseUrl(address);
      if (this.base.startsWith('https:') && !base.startsWith('https:')) return false;
      if (typeof redirect === 'function' && !redirect(base)) return false;
      this.move(base === home ? null : { base, failures: 0 });
      return true;
    } catch {
      return false;
    }
  }

  /** An attempt found no link. */
  failed(): void {
    if (this.away && ++this.away.failures >= AWAY_FAILURES) this.move(null);
  }

  /** A link carries the session. */
  welcomed(): void {
    if (this.away) this.away.failures = 0;
    this.ticket = null;
  }

  /** Who I am, for the hello: the ticket where there is a fresh one, else the token. */
  auth(): Record<string, unknown> {
    const { user, info } = this.options;
    const { ticket } = this;
    const who: Record<string, unknown> = { client: CLIENT, bulk: true };
    if (ticket && this.clock.now() < ticket.until) who.ticket = ticket.name;
    else if (this.tokens.known !== null) who.token = this.tokens.known;
    if (user !== undefined) who.user = user;
    if (info !== undefined) who.info = info;
    return who;
  }

  private move(away: Directory['away']): void {
    this.away = away;
    this.negotiated = this.ticket = null;
    this.stale = true;
    this.order = [];
  }

  private take(negotiated: Negotiated, penalised: boolean): void {
    const { ticket, ticketUntil: until, network, tookMs, offers } = negotiated;
    this.negotiated = negotiated;
    this.stale = false;
    this.askedAt = this.clock.now();
    this.tookMs = tookMs;
    this.ticket = ticket === null ? null : { name: ticket, until };
    this.memory.enter(this.base, network);
    const names = offers.map(({ name }) => name as string);
    if (!penalised) this.order = names;
    const place = (name: string) => (this.order.includes(name) ? this.order.indexOf(name) : this.order.length);
    const clean = [...offers].sort((a, b) => place(a.name) - place(b.name));
    this.candidates = candidatesOf(this.base, clean, this.options.connectTimeoutMs);
  }
}
