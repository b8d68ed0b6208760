import { Backoff } from '../backoff.js';
import { CrosspointError } from '../codes.js';
import { encodeText, utf8Length, type Frame } from '../frame.js';
import { isPassing, PathError, post } from './http.js';
import { isCount } from '../session/types.js';
import type { LinkContext } from './link.js';

/** A POST is given up when it takes so many times as long as usual, within these bounds: its repetition does no harm. */
const PATIENCE = 8;
const DEADLINE_MIN_MS = 1_500;
const DEADLINE_MAX_MS = 25_000;
const BYE_MS = 3_000;
/** POSTs of one batch that hang; then a fresh link is better. It is given twice as long, until a POST is answered. */
const HUNG_MAX = 2;
const FACTOR_MAX = 8;
/** The slowest uplink that a deadline allows for. */
const BYTES_PER_MS = 8;
/** A batch that fails for so long ends the link. */
const GIVE_UP_MS = 5_000;
const BEACON_BYTES_MAX = 60_000;
const ENVELOPE_BYTES = 128;
/** Where something breaks connections after so many bytes, only smaller bodies get through: half as much after a failure, and
 * this much more after each success. */
const GROWTH = 1.25;
const HALVED_MIN_BYTES = 2_048;

interface Item {
  json: string;
  bytes: number;
  seq: number | null;
  frame: Frame;
  /** Newest wins among waiting frames of one key. */
  key: string | null;
}

/** The POSTs of an SSE link: one under way at a time, batched, each repeated until it is answered or the link is given up. */
export class Uplink {
  private readonly queue: Item[] = [];
  private batch: Item[] = [];
  private scheduled = false;
  /** A POST is wanted, even one without frames. */
  private beats = false;
  private done = false;
  private url = '';
  private key = '';
  /** What something in between takes at most, as far as it said so. */
  private bytesTaken = Infinity;
  /** How long POSTs take (ms); before the first, how long the link took to open. */
  private usual = 0;
  private readonly abort = new AbortController();
  private cancelRetry: (() => void) | undefined;
  private readonly backoff: Backoff;

  constructor(
    private readonly context: LinkContext,
    private readonly failed: (error: CrosspointError) => void,
  ) {
    this.backoff = new Backoff({ min_ms: 100, max_ms: 2_000 }, context.clock.random);
  }

  /** From now on frames can leave. `tookMs`: how long the link took to open. */
  start(url: string, key: string, tookMs: number): void {
    this.url = url;
    this.key = key;
    this.usual = tookMs;
    this.schedule();
  }

  send(frame: Frame, seq: number | null): void {
    if (this.done) return;
    const item = itemOf(frame, seq);
    const { key } = item;
    const old = key === null ? -1 : this.queue.findIndex((waiting) => waiting.key === key);
    if (old >= 0) this.queue.splice(old, 1);
    this.queue.push(item);
    this.schedule();
  }

  /** Shows that the way up lives. A POST under way does so too. */
  beat(): void {
    if (this.done || this.batch.length > 0 || this.queue.length > 0) return;
    this.beats = true;
    this.schedule();
  }

  /** Takes the hello off the head, to send it with the opening request. */
  takeHello(): string[] {
    return this.queue[0]?.frame.type === 'hub:hello' ? [this.queue.shift()!.json] : [];
  }

  /** The hello was answered: it need not be repeated. */
  welcomed(): void {
    const hello = (item: Item) => item.frame.type === 'hub:hello';
    this.batch = this.batch.filter((item) => !hello(item));
    const waiting = this.queue.findIndex(hello);
    if (waiting >= 0) this.queue.splice(waiting, 1);
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
    const bye = itemOf({ type: 'hub:bye' }, null);
    let body = this.body([...items, bye]);
    if (leaving) {
      if (body.length > BEACON_BYTES_MAX) body = this.body([bye]);
      const blob = new Blob([body], { type: 'text/plain;charset=UTF-8' });
      if (typeof navigator !== 'undefined' && navigator.sendBeacon?.(url, blob)) return;
    }
    const keepalive = body.length < BEACON_BYTES_MAX;
    await post(this.context.clock, this.context.fetch, url, body, drain, { deadlineMs: BYE_MS, keepalive }).catch(() => {});
  }

  private schedule(): void {
    if (this.scheduled || this.done || !this.url || !this.waits()) return;
    this.scheduled = true;
    queueMicrotask(() => void this.run());
  }

  private async run(): Promise<void> {
    while (!this.done && this.waits()) {
      this.fill();
      await this.deliver();
    }
    this.scheduled = false;
  }

  private waits(): boolean {
    return this.beats || this.queue.length > 0;
  }

  private fill(): void {
    let bytes = ENVELOPE_BYTES;
    const max = Math.min(this.context.posts.bytesMax, this.bytesTaken, this.context.postBytesMax());
    let n = 0;
    for (const item of this.queue) {
      bytes += item.bytes;
      if (n > 0 && bytes > max) break;
      n += 1;
    }
    this.batch = this.queue.splice(0, n);
  }

  private async deliver(): Promise<void> {
    const { clock, fetch, posts } = this.context;
    let began = clock.now();
    let hung = 0;
    this.backoff.reset();
    while (!this.done && (this.beats || this.batch.length > 0)) {
      const body = this.body(this.batch);
      const usual = Math.max(DEADLINE_MIN_MS, PATIENCE * this.usual);
      const deadlineMs = Math.min(DEADLINE_MAX_MS, (usual + body.length / BYTES_PER_MS) * posts.factor * (hung + 1));
      const sent = clock.now();
      try {
        const received = await post(clock, fetch, this.url, body, receivedOf, { deadlineMs, signal: this.abort.signal });
        this.batch = [];
        this.beats = false;
        if (received !== null && !this.done) this.context.events.acked(received);
        posts.factor = 1;
        this.usual = this.usual * 0.75 + (clock.now() - sent) * 0.25;
        posts.bytesMax *= GROWTH;
        return;
      } catch (error) {
        if (this.done) return;
        const e = error as CrosspointError;
        const kind = e instanceof PathError ? e.kind : null;
        if (kind === 'hung') hung += 1;
        if (kind === 'overslept') began = clock.now();
        if (e.code === 'frame_too_large' && this.takeApart(body.length, e)) return;
        if (hung >= HUNG_MAX) posts.factor = Math.min(FACTOR_MAX, posts.factor * 2);
        if (hung >= HUNG_MAX || !isPassing(e) || clock.now() - began > GIVE_UP_MS) {
          this.failed(e);
          return;
        }
        // Who waited for a hung one has waited.
        if (kind !== 'hung' && kind !== 'overslept') {
          // Waiting as one was told to is no failure.
          began += e.retryAfterMs ?? 0;
          await new Promise<void>((resolve) => {
            this.cancelRetry = clock.after(this.backoff.next(e.retryAfterMs), resolve);
          });
        }
        if (this.batch.length > 1) {
          posts.bytesMax = Math.max(HALVED_MIN_BYTES, body.length / 2);
          this.queue.unshift(...this.batch);
          this.fill();
        }
      }
    }
  }

  /** Something wants smaller bodies: sends half as much at a time, and what is too large alone not at all. */
  private takeApart(bytes: number, error: CrosspointError): boolean {
    const [first, ...others] = this.batch;
    if (!first || (others.length === 0 && first.seq === null && first.frame.type.startsWith('hub:'))) return false;
    this.batch = [];
    if (others.length > 0) {
      this.bytesTaken = Math.ceil(bytes / 2);
      this.queue.unshift(first, ...others);
    } else {
      // The frame has its number already, so something has to take its place.
      const { id } = first.frame;
      const empty: Frame = id === undefined ? { type: 'hub:answer', request: '-' } : { type: 'hub:void', id };
      if (first.seq !== null) this.queue.unshift(itemOf(empty, first.seq));
      this.context.events.refused(first.frame, error);
    }
    return true;
  }

  private body(items: Item[]): string {
    const start = items.find((item) => item.seq !== null)?.seq;
    const head = `{"key":${JSON.stringify(this.key)},${start == null ? '' : `"start":${start},`}"frames":[`;
    return `${head}${items.map((item) => item.json).join(',')}]}`;
  }
}

function itemOf(frame: Frame, seq: number | null): Item {
  const { volatile, room, to, type } = frame;
  const json = encodeText(frame);
  const key = volatile === undefined ? null : `${room ?? to}\n${volatile === true ? type : `\n${volatile}`}`;
  return { json, bytes: utf8Length(json) + 1, seq, frame, key };
}

async function receivedOf(response: Response): Promise<number | null> {
  const { received } = ((await response.json()) ?? {}) as { received?: unknown };
  return isCount(received) ? received : null;
}

async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}
