import type { TransportName } from './links/link.js';
import { addressOf, type Failed, type Offer } from './negotiate.js';

export interface Candidate {
  transport: TransportName;
  url: string;
  headStartMs: number;
  deadlineMs: number;
}

/** How long a stream has to deliver its first bytes before a poll is tried beside it. */
const POLL_HEAD_START_MS = 1_500;
const HEAD_START_MS = 300;
/** How long a failure speaks against a transport. */
const FAILED_MS = 600_000;

/** All ways that these offers open, in the hub's order. */
export function candidatesOf(base: string, offers: Offer[], deadlineMaxMs: number): Candidate[] {
  return offers.flatMap((offer): Candidate[] => {
    const url = addressOf(base, offer);
    const deadlineMs = Math.min(offer.deadline_ms, deadlineMaxMs);
    const one = { url, headStartMs: offer.head_start_ms, deadlineMs };
    if (offer.name !== 'sse') return [{ ...one, transport: offer.name }];
    const later = offer.head_start_ms + POLL_HEAD_START_MS;
    return [
      { ...one, transport: 'sse' },
      { ...one, transport: 'sse-poll', headStartMs: later },
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

/** What failed on this network lately, and what it means for the order. */
export class Memory {
  private readonly failures = new Map<TransportName, { code: string; at: number }>();

  failed(transport: TransportName, code: string, now: number): void {
    this.failures.set(transport, { code, at: now });
  }

  worked(transport: TransportName): void {
    this.failures.delete(transport);
  }

  clear(): void {
    this.failures.clear();
  }

  isSuspect(transport: TransportName, now: number): boolean {
    const failure = this.failures.get(transport);
    return failure !== undefined && now - failure.at < FAILED_MS;
  }

  /** For the negotiation. */
  report(now: number): Failed[] {
    const failure = this.failures.get('websocket');
    if (!failure || !this.isSuspect('websocket', now)) return [];
    return [{ transport: 'websocket', code: failure.code, age_ms: Math.round(now - failure.at) }];
  }
}

/** The order of a race: what worked last first, what failed lately last. On a slow network (`tookMs`: what the negotiation
 * took) nobody is overtaken just for being slow. */
export function arrange(
  candidates: Candidate[],
  memory: Memory,
  last: TransportName | null,
  tookMs: number,
  now: number,
): Candidate[] {
  const weight = ({ transport }: Candidate) =>
    memory.isSuspect(transport, now) ? 1 : transport === last ? -1 : 0;
  const sorted = [...candidates].sort((a, b) => weight(a) - weight(b));
  return sorted.map((candidate, i) => ({
    ...candidate,
    headStartMs: i === 0 ? 0 : Math.max(candidate.headStartMs || HEAD_START_MS * i, 2 * tookMs),
  }));
}
