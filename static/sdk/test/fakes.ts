import type { Clock } from '../src/clock.js';
import type { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import type { Link, LinkContext, TransportName } from '../src/links/link.js';
import { ClientImpl } from '../src/client.js';
import type { Options } from '../src/types.js';

/** Time that passes only when told to. */
export class FakeClock implements Clock {
  time = 1_000;
  chance = 0.5;
  /** Timers come only at multiples of this (ms), as in background tabs. */
  throttle = 1;
  private timers: { at: number; order: number; fn: () => void }[] = [];
  private order = 0;

  now = () => this.time;
  date = () => 1_700_000_000_000 + this.time;
  random = () => this.chance;

  after = (ms: number, fn: () => void) => {
    const at = this.time + Math.max(0, ms);
    const timer = { at: Math.ceil(at / this.throttle) * this.throttle, order: this.order++, fn };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((t) => t !== timer);
    };
  };

  get waiting(): number {
    return this.timers.length;
  }

  /** Lets so much time pass, and all that becomes due happen in order. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!next) break;
      this.timers = this.timers.filter((t) => t !== next);
      this.time = Math.max(this.time, next.at);
      next.fn();
      await settle();
    }
    this.time = end;
    await settle();
  }
}

/** Lets promises that are resolved already run their course. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 40; i++) await Promise.resolve();
}

export class FakeLink implements Link {
  sent: { frame: Frame; seq: number | null }[] = [];
  opened: 'no' | 'probe' | 'hello' = 'no';
  closed = false;
  said = '';

  constructor(
    readonly transport: TransportName,
    readonly url: string,
    readonly context: LinkContext,
  ) {}

  open(probe: boolean): void {
    this.opened = probe ? 'probe' : 'hello';
  }

  send(frame: Frame, seq: number | null): void {
    this.sent.push({ frame, seq });
  }

  beats = 0;

  beat(): void {
    this.beats += 1;
  }

  close(): void {
    this.closed = true;
  }

  bye(): void {
    this.said = 'bye';
    this.closed = true;
  }

  frame(frame: Frame): void {
    if (!this.closed) this.context.events.frame(frame);
  }

  fail(error: CrosspointError): void {
    if (this.closed) return;
    this.closed = true;
    this.context.events.closed(error);
  }

  prove(): void {
    if (!this.closed) this.context.events.proven();
  }

  types(): string[] {
    return this.sent.map(({ frame }) => frame.type);
  }

  hello(): any {
    return this.sent.find(({ frame }) => frame.type === 'hub:hello')?.frame.data;
  }

  /** Counted and volatile frames of the application. */
  app(): Frame[] {
    const link = ['hub:hello', 'hub:ping', 'hub:pong', 'hub:ack', 'hub:bye'];
    return this.sent.map(({ frame }) => frame).filter(({ type }) => !link.includes(type));
  }

  welcome(data: Record<string, unknown> = {}): void {
    const hello = this.hello() ?? {};
    this.frame({
      type: 'hub:welcome',
      data: {
        version: 1,
        session: hello.session ?? 's1',
        resume: 'secret',
        user: 'alice',
        resumed: hello.session !== undefined,
        received: 0,
        start: (hello.received ?? 0) + 1,
        heartbeat_ms: 10_000,
        resume_ms: 60_000,
        ack_every: 32,
        ack_delay_ms: 1_000,
        limits: { frame_bytes_max: 65_536, post_bytes_max: 262_144 },
        ...data,
      },
    });
  }
}

export const OFFERS = [
  { name: 'websocket', url: '/ws', head_start_ms: 0, deadline_ms: 3_000 },
  { name: 'sse', url: '/sse', head_start_ms: 300, deadline_ms: 4_000 },
];

/** A client with links, time and a negotiation that belong to the test. */
export function rig(options: Options = {}, answer: (body: any, headers: any) => Response | Promise<Response> = offer) {
  const clock = new FakeClock();
  const links: FakeLink[] = [];
  const asked: any[] = [];
  const fakeFetch = async (url: unknown, init: any) => {
    const body = JSON.parse(init.body);
    asked.push({ ...body, url, authorization: init.headers.authorization });
    return answer(body, init.headers);
  };
  const client = new ClientImpl(
    'http://hub.test',
    { fetch: fakeFetch as typeof fetch, WebSocket: function () {} as unknown as typeof WebSocket, ...options },
    clock,
    ({ transport, url }, context) => {
      const link = new FakeLink(transport, url, context);
      links.push(link);
      return link;
    },
  );
  const last = () => links[links.length - 1]!;
  const connected = async () => {
    await settle();
    last().welcome();
    await clock.advance(1);
    return last();
  };
  /** The link that says hello next, after whatever waits. */
  const greeted = async () => {
    const there = () => links.filter((link) => !link.closed && link.hello()).at(-1);
    for (let i = 0; !there() && i < 400; i++) await clock.advance(100);
    return there()!;
  };
  /** Lets time pass on links that live. */
  const live = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1_000) {
      await clock.advance(Math.min(left, 1_000));
      for (const link of links) if (link.hello()) link.frame({ type: 'hub:pong', data: {} });
    }
  };
  return { clock, links, asked, client, last, connected, greeted, live };
}

export function offer(): Response {
  return json({ version: 1, ticket: 't1', ticket_ms: 30_000, transports: OFFERS, limits: { frame_bytes_max: 65_536, post_bytes_max: 262_144 } });
}

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
}
