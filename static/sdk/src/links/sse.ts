import { Backoff } from '../backoff.js';
import { CrosspointError } from '../codes.js';
import { frameOf, type Frame } from '../frame.js';
import { isPassing, PathError, post } from './http.js';
import { isCount } from '../session/types.js';
import type { Link, LinkContext } from './link.js';
import { SseParser } from './sse-parser.js';
import { Uplink } from './uplink.js';

/** What streams and polls have in common: the uplink, and how frames and ends are told. */
abstract class SseBase implements Link {
  abstract readonly transport: 'sse' | 'sse-poll';
  protected done = false;
  protected readonly abort = new AbortController();
  protected readonly uplink: Uplink;
  private welcomed = false;
  private openedAt = 0;
  private last: CrosspointError | null = null;
  private place: (() => void) | null = null;

  constructor(
    protected readonly url: string,
    protected readonly context: LinkContext,
  ) {
    this.uplink = new Uplink(context, (error) => this.fail(this.welcomed ? lost(error) : error));
  }

  open(_probe: boolean): void {
    this.openedAt = this.context.clock.now();
    // The hello may be said in the same turn, only after this.
    const opened = Promise.resolve().then(() => (this.done ? undefined : this.run(this.uplink.takeHello())));
    opened.then(
      () => this.fail(new CrosspointError('unavailable', 'the stream ended')),
      (error: unknown) => this.fail(error as CrosspointError),
    );
  }

  send(frame: Frame, seq: number | null): void {
    this.uplink.send(frame, seq);
  }

  beat(): void {}

  close(): void {
    this.done = true;
    this.uplink.stop();
    this.abort.abort();
    this.giveBack();
  }

  /** Whether a request of this link may be kept waiting. */
  protected async mayWait(): Promise<boolean> {
    const { crowd } = this.context;
    if (this.place || !crowd) return true;
    this.place = await crowd.take(this.url);
    if (this.done) this.giveBack();
    return this.place !== null;
  }

  private giveBack(): void {
    this.place?.();
    this.place = null;
  }

  bye(leaving: boolean): void {
    this.done = true;
    // The stream ends after the goodbye: the other way round the hub would think it lost.
    void this.uplink.bye(leaving).then(() => {
      if (!leaving) this.abort.abort();
      this.giveBack();
    });
  }

  /** Carries frames down until the link is over. */
  protected abstract run(hello: string[]): Promise<void>;

  protected opened(link: unknown, key: unknown): void {
    if (this.done) return;
    if (typeof link !== 'string' || typeof key !== 'string') throw new CrosspointError('bad_frame', 'not an answer of the hub');
    this.uplink.start(this.linkUrl(link), key, this.context.clock.now() - this.openedAt);
    this.context.events.proven();
  }

  protected linkUrl(link: string): string {
    return `${this.url}/${encodeURIComponent(link)}`;
  }

  protected frame(value: unknown, bytes = 0): void {
    const frame = frameOf(value);
    if (!frame || this.done) return;
    if (frame.type === 'hub:close') this.last = CrosspointError.from(frame.data);
    if (frame.type === 'hub:welcome') {
      this.welcomed = true;
      this.uplink.welcomed();
    }
    this.context.events.frame(frame, 'stream', bytes);
  }

  protected fail(error: CrosspointError): void {
    if (this.done) return;
    this.close();
    this.context.events.closed(this.last ?? error);
  }
}

/** The link is gone, the session isn't: whatever the code's own row says, another link is due at once. */
function lost(error: CrosspointError): CrosspointError {
  return ['not_found', 'unauthorized', 'out_of_order'].includes(error.code)
    ? new CrosspointError(error.code, error.message, 'now')
    : error;
}

/** Down by one streamed answer. */
export class SseStreamLink extends SseBase {
  readonly transport = 'sse';

  override beat(): void {
    this.uplink.beat();
  }

  protected async run(hello: string[]): Promise<void> {
    if (!(await this.mayWait())) throw new CrosspointError('limit_exceeded', 'tabs of this browser keep enough streams open', 'backoff');
    const body = `{"mode":"stream","frames":[${hello.join()}]}`;
    const headers = { accept: 'text/event-stream' };
    const { clock, fetch } = this.context;
    await post(clock, fetch, this.url, body, (response) => this.read(response), { headers, signal: this.abort.signal });
  }

  private async read(response: Response): Promise<void> {
    if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) {
      throw new CrosspointError('unavailable', 'the answer is not an event stream');
    }
    const parser = new SseParser(({ event, data }) => {
      const value = parse(data);
      if (event === 'open') {
        const { link, key } = (value ?? {}) as { link?: unknown; key?: unknown };
        this.opened(link, key);
      } else if (event === 'message') {
        this.frame(value, data.length);
      }
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.done) return;
      parser.push(decoder.decode(value, { stream: true }));
      // Comments and parts of events are signs of life as good as events.
      if (!this.done) this.context.events.heard();
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const OPEN_MS = 8_000;
/** Polls that fail for so long end the link: a few lost answers in a row don't. */
const POLL_GIVE_UP_MS = 5_000;
/** Where polls can't wait, one is made so many times in the time that it would wait. */
const CROWDED_SHARE = 6;
const POLL_BACKOFF = { min_ms: 200, max_ms: 1_000 };

interface Batch {
  link?: unknown;
  key?: unknown;
  batch?: unknown;
  received?: unknown;
  frames?: unknown;
}

/** Down by answers that end after each batch. */
export class SsePollLink extends SseBase {
  readonly transport = 'sse-poll';

  protected async run(hello: string[]): Promise<void> {
    const first = await this.ask(this.url, `{"mode":"poll","frames":[${hello.join()}]}`, OPEN_MS);
    const { link, key } = first;
    this.opened(link, key);
    const url = this.linkUrl(String(link));
    let batch = this.take(first, 0);
    const { clock } = this.context;
    const backoff = new Backoff(POLL_BACKOFF, clock.random);
    let failingSince: number | null = null;
    while (!this.done) {
      const { silenceMs, patienceMs } = this.context.pace();
      const waits = await this.mayWait();
      const body = JSON.stringify({ key, poll: { batch, wait_ms: waits ? silenceMs : 0 } });
      try {
        const next = await this.ask(url, body, silenceMs + patienceMs);
        failingSince = null;
        backoff.reset();
        batch = this.take(next, batch);
        if (!waits) await this.pause(silenceMs / CROWDED_SHARE);
      } catch (error) {
        const e = error as CrosspointError;
        const kind = e instanceof PathError ? e.kind : null;
        if (kind === 'overslept') continue;
        failingSince ??= clock.now();
        if (kind === 'hung' || !isPassing(e) || clock.now() - failingSince > POLL_GIVE_UP_MS) throw lost(e);
        await this.pause(backoff.next(e.retryAfterMs));
      }
    }
  }

  private ask(url: string, body: string, deadlineMs: number): Promise<Batch> {
    const { clock, fetch } = this.context;
    return post(clock, fetch, url, body, async (response) => (await response.json()) as Batch, {
      deadlineMs,
      signal: this.abort.signal,
    });
  }

  /** Hands the batch on and returns its number; a repeated one has been handed on already. */
  private take(answer: Batch, before: number): number {
    if (typeof answer.batch !== 'number' || !Array.isArray(answer.frames)) {
      throw new CrosspointError('unavailable', 'not an answer of the hub');
    }
    if (answer.batch > before) for (const frame of answer.frames) this.frame(frame);
    if (!this.done) this.context.events.heard();
    if (!this.done && isCount(answer.received)) this.context.events.acked(answer.received);
    return answer.batch;
  }

  private pause(ms: number): Promise<void> {
    const { signal } = this.abort;
    return new Promise((resolve) => {
      const over = () => {
        cancel();
        signal.removeEventListener('abort', over);
        resolve();
      };
      const cancel = this.context.clock.after(ms, over);
      signal.addEventListener('abort', over);
    });
  }
}
