import type { TransportName } from './links/link.js';
import type { NetworkMemory } from './memory.js';
import { addressOf, type Offer } from './negotiate.js';
import type { Reputation } from './policy.js';

export interface Candidate {
  transport: TransportName;
  url: string;
  /** How long after the start of the one before it this one starts, if nothing has won yet. */
  headStartMs: number;
  deadlineMs: number;
  /** After so long without an answer the same is tried once more beside it. */
  againMs?: number;
  /** Not for the first link of a network where it hasn't shown yet that it works. */
  upgrade: boolean;
  /** Hashes of certificates to trust. */
  hashes: string[];
  ice?: RTCIceServer[] | undefined;
}

/** Where the hub says nothing. */
const HEAD_START_MS = 300;
const HEAD_START_MIN_MS = 200;
/** How long a stream has to deliver its first bytes before a poll is tried beside it. */
const POLL_MIN_MS = 250;
const POLL_MAX_MS = 1_000;
/** A poll is answered at once, and a proxy that loses one answers the next: it is repeated after so many times what the
 * negotiation took. */
const AGAIN_TIMES = 8;
const AGAIN_MIN_MS = 1_000;
const AGAIN_MAX_MS = 2_000;
/** A WebSocket's connection, upgrade and hello take a few round trips more than the negotiation. */
const FAIR_TIMES = 3;
const FAIR_MAX_MS = 2_000;

/** All ways that these offers open, in the hub's order. */
export function candidatesOf(base: string, offers: Offer[], deadlineMaxMs: number): Candidate[] {
  return offers.flatMap((offer, i): Candidate[] => {
    const url = addressOf(base, offer);
    const deadlineMs = Math.min(offer.deadline_ms, deadlineMaxMs);
    const gap = offer.head_start_ms - (offers[i - 1]?.head_start_ms ?? 0);
    const { upgrade, hashes, ice } = offer;
    const one = { url, headStartMs: gap > 0 ? gap : HEAD_START_MS, deadlineMs, upgrade, hashes, ice };
    if (offer.name !== 'sse') return [{ ...one, transport: offer.name }];
    return [
      { ...one, transport: 'sse' },
      { ...one, transport: 'sse-poll' },
    ];
  });
}

/** Which transports the application allows. */
export class Allowed {
  private names: Set<string>;

  constructor(
    names: readonly string[],
    private readonly poll: 'auto' | 'always' | 'never',
  ) {
    this.names = new Set(names);
  }

  set(names: readonly string[]): void {
    this.names = new Set(names);
  }

  has(transport: TransportName): boolean {
    if (transport === 'sse') return this.names.has('sse') && this.poll !== 'always';
    if (transport === 'sse-poll') return this.names.has('sse-poll') || (this.names.has('sse') && this.poll !== 'never');
    return this.names.has(transport);
  }
}

/** The order of a race: what worked last first, what failed lately or rests last. The waits follow what the negotiation took
 * (`tookMs`), the hub's being the longest. */
export function arrange(
  candidates: Candidate[],
  memory: NetworkMemory,
  reputation: Reputation,
  last: TransportName | null,
  tookMs: number,
): Candidate[] {
  const first = last ?? memory.winner;
  const weight = ({ transport }: Candidate) => {
    if (reputation.restMs(transport) > 0) return 2;
    return memory.isSuspect(transport) ? 1 : transport === first ? -1 : 0;
  };
  const sorted = [...candidates].sort((a, b) => weight(a) - weight(b));
  return sorted.map((candidate, i) => {
    let headStartMs = Math.min(candidate.headStartMs, Math.max(HEAD_START_MIN_MS, 2 * tookMs));
    if (candidate.transport !== 'sse-poll') return { ...candidate, headStartMs };
    if (sorted[i - 1]?.transport === 'sse') headStartMs = Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, 3 * tookMs));
    const againMs = Math.min(AGAIN_MAX_MS, Math.max(AGAIN_MIN_MS, AGAIN_TIMES * tookMs));
    return { ...candidate, headStartMs, againMs };
  });
}

/** How long the one that has the hello is left alone by those that have shown that they work: on a slow network nobody is
 * overtaken just for being slow. */
export function fairMs(tookMs: number): number {
  return Math.min(FAIR_MAX_MS, Math.max(HEAD_START_MIN_MS, FAIR_TIMES * tookMs));
}
