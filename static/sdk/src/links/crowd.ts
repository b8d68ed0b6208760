import type { Clock } from '../clock.js';

/** Browsers open six connections to a host over HTTP/1.1, for all tabs together. So many of them may be held by requests that wait;
 * the others stay free for those that don't. */
const HELD_MAX = 3;
/** How long other tabs have to say that they hold one, where there are no Web Locks (ms). */
const ANSWER_MS = 150;

interface Question {
  asks?: string;
  holds?: string;
}

/** How many requests the tabs of this browser may keep waiting at one host. A client has one place at most, however many of its
 * links use it. */
export class Crowd {
  private readonly me = String(Math.random());
  private users = 0;
  private leave: (() => void) | null = null;
  private asking: Promise<boolean> | null = null;

  constructor(private readonly clock: Clock) {}

  /** Asks for the right to keep requests to `url` waiting. Returns what gives it back, or `null` where there are too many. */
  async take(url: string): Promise<(() => void) | null> {
    const host = limitedHost(url);
    if (host === null) return () => {};
    if (!this.leave) {
      this.asking ??= this.enter(`crosspoint waiting ${host}`).finally(() => (this.asking = null));
      if (!(await this.asking)) return null;
    }
    this.users += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.users -= 1;
      if (this.users > 0) return;
      this.leave?.();
      this.leave = null;
    };
  }

  private async enter(name: string): Promise<boolean> {
    this.leave = navigator.locks ? await this.lock(name) : await this.ask(name);
    return this.leave !== null;
  }

  private async lock(name: string): Promise<(() => void) | null> {
    for (let place = 0; place < HELD_MAX; place++) {
      const leave = await new Promise<(() => void) | null>((resolve) => {
        navigator.locks
          .request(`${name} ${place}`, { ifAvailable: true }, (lock) => (lock ? new Promise<void>(resolve) : resolve(null)))
          .catch(() => resolve(null));
      });
      if (leave) return leave;
    }
    return null;
  }

  private async ask(name: string): Promise<(() => void) | null> {
    if (typeof BroadcastChannel === 'undefined') return () => {};
    const channel = new BroadcastChannel(name);
    const others = new Set<string>();
    channel.onmessage = ({ data: { holds } }: MessageEvent<Question>) => holds !== undefined && others.add(holds);
    channel.postMessage({ asks: this.me } satisfies Question);
    await new Promise<void>((resolve) => this.clock.after(ANSWER_MS, resolve));
    if (others.size >= HELD_MAX) {
      channel.close();
      return null;
    }
    channel.onmessage = ({ data: { asks } }: MessageEvent<Question>) => asks !== undefined && channel.postMessage({ holds: this.me });
    return () => channel.close();
  }
}

/** The host that few connections are opened to; `null` where requests share one (HTTP/2 and later), or nothing is known. */
function limitedHost(url: string): string | null {
  if (typeof location === 'undefined' || typeof navigator === 'undefined') return null;
  const { protocol, host, origin } = new URL(url, location.href);
  if (protocol === 'http:') return host;
  const entries = performance.getEntriesByType?.('resource') ?? [];
  const newest = [...entries].reverse().find(({ name }) => name.startsWith(`${origin}/`)) as PerformanceResourceTiming | undefined;
  return newest?.nextHopProtocol === 'http/1.1' ? host : null;
}
