/** Which of the clients that share a store are alive. */
export interface Owners {
  /** This one is, from now on. */
  begin(): Promise<void>;
  /** Inherits from those of `others` that are gone, and from each that lives once it is gone. Resolves when the first is done. */
  settle(others: string[]): Promise<void>;
  end(): void;
}

/** A lease without renewal is over after so long (ms). Hidden pages may run their timers only once a minute. */
const LEASE_MS = 75_000;
const RENEW_MS = 10_000;

export function ownersOf(key: string, self: string, inherit: (owner: string) => Promise<void>): Owners {
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  return locks ? new Locked(locks, `crosspoint:queue:${key}:`, self, inherit) : new Leased(`crosspoint:queue:${key}:`, self, inherit);
}

/** Each client holds a Web Lock for its life; the browser releases it whatever way the page ends. */
class Locked implements Owners {
  private readonly ending = new AbortController();
  private readonly watched = new Set<string>();
  private channel: BroadcastChannel | null = null;

  constructor(
    private readonly locks: LockManager,
    private readonly prefix: string,
    private readonly self: string,
    private readonly inherit: (owner: string) => Promise<void>,
  ) {}

  async begin(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const held = () => {
        resolve();
        return new Promise<void>((release) => this.ending.signal.addEventListener('abort', () => release()));
      };
      this.locks.request(this.prefix + this.self, held).catch(reject);
    });
    if (typeof BroadcastChannel === 'undefined') return;
    this.channel = new BroadcastChannel(this.prefix);
    this.channel.onmessage = ({ data }) => typeof data === 'string' && this.watch(data);
    this.channel.postMessage(this.self);
  }

  async settle(others: string[]): Promise<void> {
    const living: string[] = [];
    for (const owner of others) {
      const gone = await this.locks.request(this.prefix + owner, { ifAvailable: true }, async (lock) => {
        if (lock) await this.inherit(owner);
        return lock !== null;
      });
      if (!gone) living.push(owner);
    }
    const { held = [] } = await this.locks.query();
    for (const { name = '' } of held) if (name.startsWith(this.prefix)) living.push(name.slice(this.prefix.length));
    for (const owner of living) this.watch(owner);
  }

  end(): void {
    this.channel?.close();
    this.ending.abort();
  }

  private watch(owner: string): void {
    if (owner === this.self || this.watched.has(owner)) return;
    this.watched.add(owner);
    const { signal } = this.ending;
    // It is granted when the other is gone.
    this.locks
      .request(this.prefix + owner, { signal }, () => this.inherit(owner))
      .catch(() => {})
      .finally(() => this.watched.delete(owner));
  }
}

/** Where there are no Web Locks (pages that are not secure): leases in `localStorage`. A page that is left gives its lease up; that
 * of one that crashed runs out. Two that should take each other for dead send the same ids, which the hub takes once. */
class Leased implements Owners {
  private timer: ReturnType<typeof setInterval> | undefined;
  private others: string[] = [];
  private readonly leave = () => this.storage()?.removeItem(this.prefix + this.self);

  constructor(
    private readonly prefix: string,
    private readonly self: string,
    private readonly inherit: (owner: string) => Promise<void>,
  ) {}

  async begin(): Promise<void> {
    this.renew();
    this.timer = setInterval(() => {
      this.renew();
      void this.settle(this.others).catch(() => {});
    }, RENEW_MS);
    if (typeof addEventListener === 'function') {
      addEventListener('pagehide', this.leave);
      addEventListener('pageshow', this.renew);
    }
  }

  async settle(others: string[]): Promise<void> {
    this.others = [...new Set([...others, ...this.leases()])].filter((owner) => owner !== this.self);
    for (const owner of this.others) {
      if (Number(this.storage()?.getItem(this.prefix + owner) ?? 0) > Date.now()) continue;
      this.storage()?.removeItem(this.prefix + owner);
      await this.inherit(owner);
      this.others = this.others.filter((other) => other !== owner);
    }
  }

  end(): void {
    clearInterval(this.timer);
    this.leave();
    if (typeof removeEventListener === 'function') {
      removeEventListener('pagehide', this.leave);
      removeEventListener('pageshow', this.renew);
    }
  }

  private readonly renew = (): void => {
    try {
      this.storage()?.setItem(this.prefix + this.self, String(Date.now() + LEASE_MS));
    } catch {
      // Full or refused: to the others it looks as if this client were gone.
    }
  };

  private leases(): string[] {
    return Object.keys(this.storage() ?? {}).flatMap((name) => (name.startsWith(this.prefix) ? [name.slice(this.prefix.length)] : []));
  }

  private storage(): Storage | null {
    try {
      return localStorage;
    } catch {
      return null;
    }
  }
}
