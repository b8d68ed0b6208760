import type { Clock } from './clock.js';
import type { Connected } from './connector.js';
import { isLinkFrame, type Frame } from './frame.js';
import type { TransportName } from './links/link.js';

const ATTEMPTS_MAX = 8;
/** A link without a first message is reported after this (ms). */
const QUIET_MS = 5_000;

interface Attempt {
  transport: TransportName;
  outcome: string;
  ms: number;
}

/** Tells the hub how each link was found (`hub:report`), once, for its operators. */
export class Reports {
  private attempts: Attempt[] = [];
  private cancel: (() => void) | null = null;
  private open: { how: Connected; connectMs: number; from: TransportName | null; wanted: boolean } | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly send: (frame: Frame) => void,
    /** The time to the first reply or event on a link, from the beginning of the attempt (ms). */
    private readonly first: (ms: number) => void,
  ) {}

  tried(transport: TransportName, outcome: string, ms: number): void {
    this.attempts = [...this.attempts, { transport, outcome, ms: Math.round(ms) }].slice(-ATTEMPTS_MAX);
  }

  /** `wanted`: this hub takes reports. */
  connected(how: Connected, from: TransportName | null, wanted: boolean): void {
    this.stop();
    this.open = { how, connectMs: this.clock.now() - how.began, from, wanted };
    this.cancel = this.clock.after(QUIET_MS, () => this.tell());
  }

  /** A frame came: the first that isn't the link's own is what the user waited for. */
  came({ type }: Frame): void {
    if (!this.open || isLinkFrame(type)) return;
    const firstMs = this.clock.now() - this.open.how.began;
    this.first(firstMs);
    this.tell(firstMs);
  }

  stop(): void {
    this.cancel?.();
    this.cancel = this.open = null;
  }

  private tell(firstMs?: number): void {
    const { open, attempts } = this;
    this.stop();
    this.attempts = [];
    if (!open?.wanted) return;
    const data: Record<string, unknown> = { attempts, connect_ms: Math.round(open.connectMs), cause: open.how.cause };
    if (firstMs !== undefined) data.first_ms = Math.round(firstMs);
    if (open.from) data.from = open.from;
    this.send({ type: 'hub:report', data });
  }
}
