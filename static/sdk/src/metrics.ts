import type { Clock } from './clock.js';
import type { Frame } from './frame.js';
import type { TransportName } from './links/link.js';
import type { Latency, TransportMetrics } from './types.js';

/** Latencies that are kept, the newest. */
const KEPT = 256;
/** Publishes whose reply is waited for; of more, no latency is measured. */
const OPEN_MAX = 1_024;

/** What `getPerformanceMetrics` tells beside the counters. */
export class Metrics {
  firstMs: number | null = null;
  movesUp = 0;
  movesDown = 0;
  private readonly open = new Map<string, number>();
  private readonly kept: number[] = [];
  private count = 0;
  private readonly transports = new Map<TransportName, TransportMetrics>();
  private on: TransportName | null = null;
  private since = 0;

  constructor(private readonly clock: Clock) {}

  tried(transport: TransportName, outcome: string): void {
    const of = this.of(transport);
    of.attempts += 1;
    if (outcome === 'won') of.wins += 1;
    else if (outcome !== 'overtaken') of.failures += 1;
  }

  /** The session is carried by this transport from now on; `null`: by none. */
  carriedBy(transport: TransportName | null): void {
    this.tally();
    this.on = transport;
  }

  sent({ id, room, type }: Frame): void {
    if (id === undefined || room === undefined || type.startsWith('hub:') || this.open.size >= OPEN_MAX) return;
    if (!this.open.has(id)) this.open.set(id, this.clock.now());
  }

  answered(id: string | undefined): void {
    const at = id === undefined ? undefined : this.open.get(id);
    if (id === undefined || at === undefined) return;
    this.open.delete(id);
    this.kept[this.count++ % KEPT] = this.clock.now() - at;
  }

  latency(): Latency {
    const { count, kept } = this;
    if (count === 0) return { count, last: null, p50: null, p95: null };
    const sorted = [...kept].sort((a, b) => a - b);
    const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!);
    return { count, last: Math.round(kept[(count - 1) % KEPT]!), p50: at(0.5), p95: at(0.95) };
  }

  byTransport(): Partial<Record<TransportName, TransportMetrics>> {
    this.tally();
    return Object.fromEntries([...this.transports].map(([name, of]) => [name, { ...of, ms: Math.round(of.ms) }]));
  }

  private of(transport: TransportName): TransportMetrics {
    let of = this.transports.get(transport);
    if (!of) this.transports.set(transport, (of = { attempts: 0, wins: 0, failures: 0, ms: 0 }));
    return of;
  }

  private tally(): void {
    const now = this.clock.now();
    if (this.on) this.of(this.on).ms += now - this.since;
    this.since = now;
  }
}
