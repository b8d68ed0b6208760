import type { OfflineStore, StoredFrame } from '../src/types.js';

/** A browser's storage, for several clients one after another or at once. */
export class SharedDisk {
  readonly rows = new Map<string, StoredFrame & { owner: MemoryStore | null }>();
  user: string | null = null;
  readonly living = new Set<MemoryStore>();

  store(): MemoryStore {
    return new MemoryStore(this);
  }

  /** Ids in order of making. */
  ids(): string[] {
    return [...this.rows.values()].sort((a, b) => a.since - b.since || a.n - b.n).map(({ id }) => id);
  }
}

/** A store that the test can stop, break, or end as a crash ends a page. */
export class MemoryStore implements OfflineStore {
  /** Writes wait until the test lets them go. */
  held: (() => void)[] | null = null;
  broken = false;
  writes = 0;
  private take: ((frames: StoredFrame[]) => void) | null = null;
  private user: string | null = null;

  constructor(private readonly disk: SharedDisk) {}

  async open(_key: string, _maxAgeMs: number): Promise<string | null> {
    if (this.broken) throw new Error('refused');
    this.disk.living.add(this);
    return this.disk.user;
  }

  async claim(user: string, take: (frames: StoredFrame[]) => void): Promise<void> {
    this.disk.user = this.user = user;
    this.take = take;
    this.inherit();
  }

  async write(put: StoredFrame[], remove: string[]): Promise<void> {
    const { held } = this;
    if (held) await new Promise<void>((resolve) => held.push(resolve));
    if (!this.disk.living.has(this)) return new Promise(() => {});
    if (this.broken) throw new Error('full');
    this.writes += 1;
    for (const frame of put) this.disk.rows.set(frame.id, { ...JSON.parse(JSON.stringify(frame)), owner: this });
    for (const id of remove) this.disk.rows.delete(id);
  }

  close(): void {
    this.crash();
  }

  /** The page is gone, with whatever was under way. */
  crash(): void {
    this.disk.living.delete(this);
    for (const row of this.disk.rows.values()) if (row.owner === this) row.owner = null;
    for (const other of this.disk.living) other.inherit();
  }

  private inherit(): void {
    const found = [...this.disk.rows.values()].filter(
      ({ owner, user }) => owner === null && this.user !== null && (user === null || user === this.user),
    );
    for (const row of found) row.owner = this;
    if (found.length > 0) this.take?.(found.map(({ owner: _, ...frame }) => frame));
  }
}
