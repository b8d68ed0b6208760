import type { Clock } from './clock.js';
import type { TransportName } from './links/link.js';
import type { Failed } from './negotiate.js';

const KEY = 'crosspoint:networks';
const NETWORKS_MAX = 16;
/** How long a winner is tried first, and a failure speaks against a transport. */
const WON_MS = 86_400_000;
const FAILED_MS = 600_000;

type At = [what: string, since1970: number];

interface Network {
  at: number;
  won?: At;
  failed: Partial<Record<TransportName, At>>;
}

/** Where networks are remembered; `localStorage` is one. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What worked and what failed on the present network, kept per hub and network; another network has its own. */
export class NetworkMemory {
  private key: string | null = null;
  private now: Network = { at: 0, failed: {} };

  constructor(
    private readonly clock: Clock,
    private readonly store: Store | null,
  ) {}

  /** The hub at `base` has said on which network the client is, if it does that. */
  enter(base: string, network: string | null): void {
    const key = network === null ? null : `${base} ${network}`;
    if (key === this.key) return;
    this.key = key;
    this.now = (key !== null && this.load()[key]) || { at: 0, failed: {} };
  }

  /** The network has changed, and isn't known yet. */
  forget(): void {
    this.key = null;
    this.now = { at: 0, failed: {} };
  }

  worked(transport: TransportName): void {
    delete this.now.failed[transport];
    this.now.won = [transport, this.clock.date()];
    this.save();
  }

  failed(transport: TransportName, code: string): void {
    this.now.failed[transport] = [code, this.clock.date()];
    this.save();
  }

  isSuspect(transport: TransportName): boolean {
    return this.isFresh(this.now.failed[transport], FAILED_MS);
  }

  get winner(): string | null {
    const { won } = this.now;
    return won && this.isFresh(won, WON_MS) ? won[0] : null;
  }

  /** For the negotiation. A stream that fails says nothing of polls, so nothing of `sse`. */
  report(): Failed[] {
    return (['websocket', 'webtransport', 'webrtc'] as const).flatMap((transport) => {
      const failure = this.now.failed[transport];
      if (!failure || !this.isSuspect(transport)) return [];
      const [code, at] = failure;
      return [{ transport, code, age_ms: Math.round(this.clock.date() - at) }];
    });
  }

  /** A time to come is one of a clock that was set back. */
  private isFresh(at: At | undefined, ms: number): boolean {
    const age = at ? this.clock.date() - at[1] : ms;
    return age >= 0 && age < ms;
  }

  private load(): Record<string, Network> {
    try {
      const all = JSON.parse(this.store?.getItem(KEY) ?? '{}') as Record<string, Network>;
      return Object.fromEntries(Object.entries(all).filter(([, network]) => isNetwork(network)));
    } catch {
      return {};
    }
  }

  private save(): void {
    if (this.key === null || !this.store) return;
    this.now.at = this.clock.date();
    const all = Object.entries({ ...this.load(), [this.key]: this.now });
    const newest = all.sort(([, a], [, b]) => b.at - a.at).slice(0, NETWORKS_MAX);
    try {
      this.store.setItem(KEY, JSON.stringify(Object.fromEntries(newest)));
    } catch {
      // Full or forbidden: this page remembers all the same.
    }
  }
}

function isNetwork(value: unknown): value is Network {
  const { at, won, failed } = (value ?? {}) as Partial<Network>;
  return typeof at === 'number' && (won === undefined || isAt(won)) && typeof failed === 'object' && failed !== null && Object.values(failed).every(isAt);
}

function isAt(value: unknown): value is At {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}

/** The browser's, where the page may use it; else one that lasts as long as the client. */
export function defaultStore(): Store {
  try {
    if (typeof localStorage !== 'undefined') return localStorage;
  } catch {
    // Blocked for this page.
  }
  const values = new Map<string, string>();
  return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value) };
}
