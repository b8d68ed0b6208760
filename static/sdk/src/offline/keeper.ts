import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import type { OfflineStore, StoredFrame } from '../types.js';

/** A store that takes longer is done without (ms). */
const PATIENCE_MS = 5_000;

export interface KeeperHooks {
  /** Frames of this user that no living client has. */
  take(frames: StoredFrame[], user: string): void;
  /** The store does not work: what is said from now on is kept in memory only, until it works again. */
  failed(error: CrosspointError): void;
}

/** Writes to a store in order, many changes at once, and goes on without it where it fails. */
export class Keeper {
  private readonly opening: Promise<string | null>;
  private claiming: Promise<void> = Promise.resolve();
  private user: string | null = null;
  private puts = new Map<string, StoredFrame>();
  private removes = new Set<string>();
  /** What a write may have brought there. */
  private readonly there = new Set<string>();
  private writing: Promise<void> | null = null;
  private opened = true;
  private works = true;
  /** There once the opening is over, if that went well. */
  private store!: OfflineStore;

  constructor(
    store: OfflineStore | Promise<OfflineStore>,
    key: string,
    maxAgeMs: number,
    private readonly clock: Clock,
    private readonly hooks: KeeperHooks,
  ) {
    const open = (store: OfflineStore) => {
      this.store = store;
      return this.within(() => store.open(key, maxAgeMs));
    };
    this.opening = (store instanceof Promise ? store.then(open) : open(store)).catch((error: unknown) => {
      this.opened = false;
      this.broken(error);
      return null;
    });
  }

  /** Whether what is said to the keeper lasts, as far as is known. */
  get lasting(): boolean {
    return this.opened && this.works;
  }

  /** Who was named as the user last, on whatever page. */
  lastUser(): Promise<string | null> {
    return this.opening;
  }

  /** The user whose frames are wanted. Resolves when those that are free now were taken, or can't be had. */
  claim(user: string): Promise<void> {
    if (this.user === user) return this.claiming;
    this.user = user;
    this.claiming = this.claiming.then(async () => {
      await this.opening;
      if (!this.opened || this.user !== user) return;
      const take = (frames: StoredFrame[]) => {
        for (const { id } of frames) this.there.add(id);
        this.hooks.take(frames, user);
      };
      await this.within(() => this.store.claim(user, take)).catch((error: unknown) => this.broken(error));
    });
    return this.claiming;
  }

  put(frame: StoredFrame): void {
    this.puts.set(frame.id, frame);
    this.removes.delete(frame.id);
    this.write();
  }

  remove(id: string): void {
    this.puts.delete(id);
    if (!this.there.has(id)) return;
    this.removes.add(id);
    this.write();
  }

  /** Resolves when all that was said so far is written, or can't be. */
  async saved(): Promise<void> {
    while (this.writing) await this.writing;
  }

  async close(): Promise<void> {
    await this.saved();
    await this.claiming;
    await this.opening;
    if (this.store) this.store.close();
  }

  private write(): void {
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
  }

  private async writeAll(): Promise<void> {
    await this.opening;
    while (this.puts.size + this.removes.size > 0) {
      const puts = [...this.puts.values()];
      const removes = [...this.removes];
      this.puts = new Map();
      if (!this.opened) return;
      for (const { id } of puts) this.there.add(id);
      try {
        await this.within(() => this.store.write(puts, removes));
        this.works = true;
        for (const id of removes) {
          this.removes.delete(id);
          if (!this.puts.has(id)) this.there.delete(id);
        }
      } catch (error) {
        // The removals are tried again with the next write.
        this.broken(error);
        return;
      }
    }
  }

  private broken(error: unknown): void {
    if (!this.works) return;
    this.works = false;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const told = new CrosspointError('unavailable', `the queue is not kept over a reload: ${why}`);
    told.cause = error;
    this.hooks.failed(told);
  }

  private within<T>(fn: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(PATIENCE_MS, () => reject(new CrosspointError('timeout', 'the store does not answer')));
      new Promise<T>((done) => done(fn())).then(resolve, reject).finally(cancel);
    });
  }
}
