import { Backoff } from '../backoff.js';
import { CrosspointError } from '../codes.js';
import { encodeText, utf8Length, type Frame } from '../frame.js';
import { isPassing, post } from './http.js';
import type { LinkContext } from './link.js';

const DEADLINE_MS = 10_000;
/** A first attempt is given up sooner, where POSTs have been quick: its repetition does no harm. */
const DEADLINE_FIRST_MS = 3_000;
const DEADLINE_MIN_MS = 1_000;
/** How many times as long as usual a POST may take. */
const PATIENCE = 8;
/** The slowest uplink that a deadline allows for. */
const BYTES_PER_MS = 8;
/** A batch that fails for so long ends the link. */
const GIVE_UP_MS = 15_000;
const BEACON_BYTES_MAX = 60_000;
const ENVELOPE_BYTES = 128;

interface Item {
  json: string;
  bytes: number;
  seq: number | null;
  type: string;
  /** Newest wins among waiting frames of one key. */
  key: string | null;
}

/** The POSTs of an SSE link: one under way at a time, batched, each repeated until it is answered or the link is given up. */
export class Uplink {
  private readonly queue: Item[] = [];
  private batch: Item[] = [];
  private scheduled = false;
  private done = false;
  private url = '';
  private key = '';
  private bytesMax = Infinity;
  /** How long POSTs take (ms); `null` before the first. */
  private usual: number | null = null;
  private readonly abort = new AbortController();
  private cancelRetry: (() => void) | undefined;
  private readonly backoff: Backoff;

  constructor(
    private readonly context: LinkContext,
    private readonly failed: (error: CrosspointError) => void,
  ) {
    this.backoff = new Backoff({ min_ms: 100, max_ms: 2_000 }, context.clock.random);
  }

  /** From now on frames can leave. */
  start(url: string, key: string): void {
    this.url = url;
    this.key = key;
    this.schedule();
  }

  send(frame: Frame, seq: number | null): void {
    if (this.done) return;
    const json = encodeText(frame);
    const key = frame.volatile === undefined ? null : `${frame.room ?? frame.to}\n${frame.volatile === true ? frame.type : `\n${frame.volatile}`}`;
    const item = { json, bytes: utf8Length(json) + 1, seq, type: frame.type, key };
    const old = key === null ? -1 : this.queue.findIndex((waiting) => waiting.key === key);
    if (old >= 0) this.queue.splice(old, 1);
    this.queue.push(item);
    this.schedule();
  }

  /** Takes the hello off the head, to send it with the opening request. */
  takeHello(): string[] {
    return this.queue[0]?.type === 'hub:hello' ? [this.queue.shift()!.json] : [];
  }

  /** The hello was answered: it need not be repeated. */
  welcomed(): void {
    this.batch = this.batch.filter((item) => item.type !== 'hub:hello');
  }

  stop(): void {
    this.done = true;
    this.queue.length = 0;
    this.cancelRetry?.();
    this.abort.abort();
  }

  /** Sends all that waits and `hub:bye` in one last POST; resolves when it is over, well or not. */
  async bye(leaving: boolean): Promise<void> {
    const items = [...this.batch, ...this.queue];
    const { url } = this;
    this.stop();
    if (!url) return;
    const bye = { json: '{"type":"hub:bye"}', bytes: 18, seq: null, type: 'hub:bye', key: null };
    let body = this.body([...items, bye]);
    if (leaving) {
      if (body.length > BEACON_BYTES_MAX) body = this.body([bye]);
      const blob = new Blob([body], { type: 'text/plain;charset=UTF-8' });
      if (typeof navigator !== 'undefined' && navigator.sendBeacon?.(url, blob)) return;
    }
    const keepalive = body.length < BEACON_BYTES_MAX;
    await post(this.context.clock, this.context.fetch, url, body, drain, { deadlineMs: DEADLINE_FIRST_MS, keepalive }).catch(() => {});
  }

  private schedule(): void {
    if (this.scheduled || this.done || !this.url || this.queue.length === 0) return;
    this.scheduled = true;
    queueMicrotask(() => void this.run());
  }

  private async run(): Promise<void> {
    while (!this.done && this.queue.length > 0) {
      this.fill();
      await this.deliver();
    }
    this.scheduled = false;
  }

  private fill(): void {
    let bytes = ENVELOPE_BYTES;
    const max = Math.min(this.bytesMax, this.context.postBytesMax());
    let n = 0;
    for (const item of this.queue) {
      bytes += item.bytes;
      if (n > 0 && bytes > max) break;
      n += 1;
    }
    this.batch = this.queue.splice(0, n);
  }

  private async deliver(): Promise<void> {
    const { clock, fetch } = this.context;
    const began = clock.now();
    let tries = 0;
    this.backoff.reset();
    while (!this.done && this.batch.length > 0) {
      const body = this.body(this.batch);
      const first = this.usual === null ? DEADLINE_FIRST_MS : Math.max(DEADLINE_MIN_MS, PATIENCE * this.usual);
      const patience = (first + body.length / BYTES_PER_MS) * 2 ** tries;
      const sent = clock.now();
      try {
        await post(clock, fetch, this.url, body, drain, {
          deadlineMs: Math.min(DEADLINE_MS, patience),
          signal: this.abort.signal,
        });
        this.batch = [];
        this.usual = (this.usual ?? clock.now() - sent) * 0.75 + (clock.now() - sent) * 0.25;
        return;
      } catch (error) {
        if (this.done) return;
        const e = error as CrosspointError;
        tries += 1;
        if (e.code === 'frame_too_large' && this.batch.length > 1) {
          this.bytesMax = Math.ceil(body.length / 2);
          this.queue.unshift(...this.batch.splice(0));
          return;
        }
        if (!isPassing(e) || clock.now() - began > GIVE_UP_MS) {
          this.failed(e);
          return;
        }
        await new Promise<void>((resolve) => {
          this.cancelRetry = clock.after(this.backoff.next(e.retryAfterMs), resolve);
        });
      }
    }
  }

  private body(items: Item[]): string {
    const start = items.find((item) => item.seq !== null)?.seq;
    const head = `{"key":${JSON.stringify(this.key)},${start == null ? '' : `"start":${start},`}"frames":[`;
    return `${head}${items.map((item) => item.json).join(',')}]}`;
  }
}

async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}
