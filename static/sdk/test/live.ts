import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { ClientImpl } from '../src/client.js';
import { systemClock, type Clock } from '../src/clock.js';
import type { Options, RoomEvent } from '../src/types.js';

const lib = `file://${process.env.SDK_DIR}/../../tests/browser/lib`;
const { Hub } = await import(`${lib}/hub.js`);
const { FaultProxy } = await import(`${lib}/proxy.js`);
export const { until } = await import(`${lib}/process.js`);

/** What the tests use of the fault proxy (tests/README.md). */
export interface Proxy {
  origin: string;
  set(rules: object): Promise<void>;
  cut(order?: object): Promise<{ cut: number }>;
  order(method: string, path: string, body?: unknown): Promise<any>;
  log(after?: number): Promise<{ seq: number; event: string; connection: number; [more: string]: unknown }[]>;
  logged(fits: (entry: any) => boolean, what: string): Promise<any>;
}

/** A hub process for this file's tests, with `behind`: a fault proxy before it, for one test. */
export function laboratory(options: { args?: string[]; env?: object } = {}) {
  let started: Promise<any> | null = null;
  const open: (() => unknown)[] = [];
  const hub = () => (started ??= Hub.start(options));
  after(async () => {
    for (const end of open.reverse()) await end();
    await (await started)?.stop();
  });
  const behind = async (rules: object = {}): Promise<Proxy> => {
    const proxy = await FaultProxy.start((await hub()).address, rules);
    open.push(() => proxy.stop());
    return proxy;
  };
  return { hub, behind };
}

/** A client that is closed with its test. */
export function person(t: TestContext, origin: string, options: Options = {}, clock: Clock = systemClock): ClientImpl {
  const client = new ClientImpl(origin, { user: 'ada', ...options }, clock);
  // The hub takes its time to end while somebody is there.
  t.after(() => client.close());
  return client;
}

/** Two people who send each other numbers in a room. */
export class Talk {
  private readonly seen = new Map<ClientImpl, unknown[]>();
  private readonly sent = new Map<ClientImpl, string[]>();

  constructor(
    readonly name: string,
    readonly people: ClientImpl[],
  ) {}

  async join(): Promise<void> {
    for (const client of this.people) {
      const seen: unknown[] = [];
      this.seen.set(client, seen);
      this.sent.set(client, []);
      const room = client.room(this.name);
      room.on('n', (event: RoomEvent) => seen.push(event.data));
      await room.join();
    }
  }

  /** Each person says so many things, `everyMs` apart. */
  async say(times: number, everyMs = 10): Promise<void> {
    for (let i = 0; i < times; i++) {
      for (const [client, sent] of this.sent) {
        const text = `${this.people.indexOf(client)}-${sent.length}`;
        sent.push(text);
        client.room(this.name).publish('n', text);
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Everybody has heard everything, once, each sender's in order. */
  async complete(ms = 20_000): Promise<void> {
    const all = [...this.sent.values()].reduce((n, sent) => n + sent.length, 0);
    const short = () => [...this.seen.values()].map((seen) => seen.length).join(', ');
    await until(() => [...this.seen.values()].every((seen) => seen.length >= all), () => `all ${all} heard: ${short()}`, ms);
    for (const [, seen] of this.seen) {
      for (const [, sent] of this.sent) {
        const of = (text: unknown) => String(text).split('-')[0] === sent[0]?.split('-')[0];
        assert.deepEqual(seen.filter(of), sent, 'once each, in order');
      }
      assert.equal(seen.length, all);
    }
  }
}

/** The system's time, which a sleep of the machine makes jump: all timers that became due meanwhile come at once, late. */
export class SleepyClock implements Clock {
  private slept = 0;
  private readonly timers = new Set<{ at: number; run: () => void }>();

  now = () => performance.now() + this.slept;
  date = () => Date.now() + this.slept;
  random = Math.random;

  after = (ms: number, fn: () => void) => {
    const timer = { at: this.now() + ms, run: () => (cancel(), fn()) };
    const cancel = systemClock.after(ms, () => (this.timers.delete(timer), fn()));
    this.timers.add(timer);
    return () => {
      this.timers.delete(timer);
      cancel();
    };
  };

  sleep(ms: number): void {
    this.slept += ms;
    const due = [...this.timers].filter(({ at }) => at <= this.now()).sort((a, b) => a.at - b.at);
    for (const timer of due) {
      // One may have cancelled another.
      if (this.timers.delete(timer)) timer.run();
    }
  }
}

/** The upgrade of WebSockets, as bad proxies treat it. */
export const upgrade = { upgrade: true };
export const silentWebSocket = { match: upgrade, do: 'silent_after_101' };
export const noWebSocket = { match: upgrade, do: 'strip_upgrade' };
export const resetWebSocket = { match: upgrade, do: { reset_after_101: {} } };
export const buffered = { match: { path: '/sse' }, do: 'buffer_response' };
