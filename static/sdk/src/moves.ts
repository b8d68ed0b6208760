import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Connector } from './connector.js';
import type { TransportName } from './links/link.js';
import type { Allowed, Candidate } from './plan.js';
import type { Reputation } from './policy.js';
import type { Cause } from './types.js';

/** The first look for something better comes about so long after a link was found; each further one twice as late. */
const UPGRADE_MIN_MS = 5_000;
const UPGRADE_MAX_MS = 300_000;
/** After a change of network, or a sleep, all clients that saw it spread over this time. */
const AGAIN_SPREAD_MS = 1_000;
/** Clients that a hub asks to move spread over this time, or half of what the hub gives them. */
const ASKED_SPREAD_MS = 5_000;
/** A link that held for so long shows that the network is a steady one (ms). */
const STEADY_MS = 60_000;

/** Changes of link that aren't forced by a loss: by the application, by the hub, and up to a better transport. */
export class Moves {
  /** The application chose: no looking for better ones until the link is lost. */
  private pinned = false;
  private looks = 0;
  private connectedAt = 0;
  private cancelLook: (() => void) | null = null;
  private cancelAsked: (() => void) | null = null;
  private wanted: { transport: TransportName; resolve: () => void; reject: (error: CrosspointError) => void } | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly connector: Connector,
    private readonly allowed: Allowed,
    private readonly reputation: Reputation,
    private readonly autoUpgrade: boolean,
    /** Cuts the current link. */
    private readonly cut: (error: CrosspointError) => void,
    /** Gets the session a new token. */
    private readonly renew: () => Promise<void>,
  ) {}

  moveTo(transport: TransportName): Promise<void> {
    if (!this.allowed.has(transport)) {
      return Promise.reject(new CrosspointError('forbidden', `${transport} is not allowed`));
    }
    this.wanted?.reject(new CrosspointError('replaced', 'another move came between'));
    return new Promise((resolve, reject) => {
      this.wanted = { transport, resolve, reject };
      if (this.connector.current) this.start();
    });
  }

  /** The hub asks for another link. */
  asked(to: string | undefined, withinMs: number): void {
    this.cancelAsked?.();
    const wait = this.clock.random() * Math.min(ASKED_SPREAD_MS, withinMs / 2);
    const before = this.connector.current?.id;
    this.cancelAsked = this.clock.after(wait, () => {
      this.cancelAsked = null;
      if (this.connector.current?.id !== before || before === undefined) return;
      const all = this.usable();
      const named = all.filter(({ transport }) => transport === to);
      this.connector.move(named.length > 0 ? named : all, 'asked', () => this.look());
    });
  }

  /** What is allowed has changed. */
  allowedChanged(): void {
    const { current } = this.connector;
    this.pinned = false;
    this.looks = 0;
    if (!current) {
      this.connector.restart();
    } else if (this.allowed.has(current.transport)) {
      if (this.connector.racing) this.connector.stopRace();
      this.look();
    } else {
      this.connector.move(this.usable(), 'manual', (error) => {
        const now = this.connector.current;
        if (now && !this.allowed.has(now.transport) && error.code !== 'replaced') this.cut(error);
      });
    }
  }

  connected(transport: TransportName, cause: Cause): void {
    this.connectedAt = this.clock.now();
    if (cause !== 'manual') this.pinned = this.pinned && cause === 'asked';
    if (this.wanted?.transport === transport) {
      const { resolve } = this.wanted;
      this.wanted = null;
      this.pinned = true;
      resolve();
    } else if (this.wanted) {
      this.start();
      return;
    }
    this.look();
  }

  disconnected(): void {
    this.pinned = false;
    if (this.clock.now() - this.connectedAt > STEADY_MS) this.looks = 0;
    this.cancelLook?.();
    this.cancelLook = null;
    this.cancelAsked?.();
    this.cancelAsked = null;
  }

  /** The network has changed, or the page has slept: what failed before may work now. */
  again(): void {
    this.looks = 0;
    if (this.connector.current) this.look(this.clock.random() * AGAIN_SPREAD_MS);
  }

  stop(error: CrosspointError): void {
    this.disconnected();
    this.wanted?.reject(error);
    this.wanted = null;
  }

  private start(renewed = false): void {
    const { wanted } = this;
    const { current, candidates } = this.connector;
    if (!wanted || !current) return;
    if (current.transport === wanted.transport) {
      this.connector.stopRace();
      this.connected(current.transport, 'manual');
      return;
    }
    const candidate = candidates.find(({ transport }) => transport === wanted.transport);
    const failed = (error: CrosspointError) => {
      if (this.wanted !== wanted) return;
      if (error.retry === 'refresh' && !renewed) {
        renewed = true;
        // Without a link the next one starts the move again.
        this.renew().then(() => this.wanted === wanted && !this.connector.racing && this.start(true), failed);
        return;
      }
      this.wanted = null;
      wanted.reject(error);
      this.look();
    };
    if (!candidate) failed(new CrosspointError('not_found', `the hub does not offer ${wanted.transport} to this client`));
    else this.connector.move([candidate], 'manual', failed);
  }

  private usable(): Candidate[] {
    return this.connector.candidates.filter(({ transport }) => this.allowed.has(transport));
  }

  /** Sets the time of the next look for a better transport. */
  private look(soonMs?: number): void {
    this.cancelLook?.();
    this.cancelLook = null;
    const better = this.better();
    if (!this.autoUpgrade || this.pinned || better.length === 0) return;
    const bound = Math.min(UPGRADE_MAX_MS, UPGRADE_MIN_MS * 2 ** Math.min(this.looks, 16));
    const rest = Math.min(...better.map(({ transport }) => this.reputation.restMs(transport)));
    this.cancelLook = this.clock.after(Math.max(rest, soonMs ?? bound * (0.5 + this.clock.random())), () => {
      this.cancelLook = null;
      const before = this.connector.current?.id;
      void this.connector.renew().then(() => {
        if (this.cancelLook || this.connector.current?.id !== before) return;
        const rested = this.better().filter(({ transport }) => this.reputation.restMs(transport) === 0);
        if (!this.connector.current || this.connector.racing) return;
        if (rested.length === 0) return this.look();
        this.looks += 1;
        this.connector.move(rested, 'up', () => this.look());
      });
    });
  }

  private better(): Candidate[] {
    const usable = this.usable();
    const at = usable.findIndex(({ transport }) => transport === this.connector.current?.transport);
    return at > 0 ? usable.slice(0, at).map((candidate) => ({ ...candidate, headStartMs: 0 })) : [];
  }
}
