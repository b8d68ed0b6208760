import { CrosspointError } from '../codes.js';
import type { OfflineStore, StoredFrame } from '../types.js';
import { ownersOf, type Owners } from './owners.js';

const DATABASE = 'crosspoint';
const FRAMES = 'frames';
const USERS = 'users';

interface Row extends StoredFrame {
  key: string;
  /** The client that has it. */
  owner: string;
}

/** Keeps queues in IndexedDB, each frame in the name of the client that sends it; who has died is inherited from. */
export class IndexedDbStore implements OfflineStore {
  private readonly owner = crypto.randomUUID?.() ?? String(crypto.getRandomValues(new Uint32Array(4)));
  private database: IDBDatabase | null = null;
  private owners: Owners | null = null;
  private key = '';
  private user: string | null = null;
  private take: ((frames: StoredFrame[]) => void) | null = null;

  async open(key: string, maxAgeMs: number): Promise<string | null> {
    if (typeof indexedDB === 'undefined') throw new CrosspointError('unavailable', 'there is no IndexedDB here');
    this.key = key;
    const database = (this.database = await openDatabase());
    this.owners = ownersOf(key, this.owner, (owner) => this.inherit(owner));
    await this.owners.begin();
    const change = database.transaction([FRAMES, USERS], 'readwrite');
    const frames = change.objectStore(FRAMES);
    const old = Date.now() - maxAgeMs;
    const rows = await result<Row[]>(frames.getAll(rangeOf(key)));
    for (const row of rows) if (row.since < old) frames.delete([key, row.owner, row.id]);
    const user = await result<{ user: string } | undefined>(change.objectStore(USERS).get(key));
    await done(change);
    return user?.user ?? null;
  }

  async claim(user: string, take: (frames: StoredFrame[]) => void): Promise<void> {
    this.user = user;
    this.take = take;
    const change = this.transaction([FRAMES, USERS], 'readwrite');
    change.objectStore(USERS).put({ key: this.key, user });
    const keys = await result<IDBValidKey[]>(change.objectStore(FRAMES).getAllKeys(rangeOf(this.key)));
    await done(change);
    const others = new Set(keys.map((key) => (key as string[])[1]!));
    others.delete(this.owner);
    await this.owners?.settle([...others]);
  }

  async write(put: StoredFrame[], remove: string[]): Promise<void> {
    const change = this.transaction([FRAMES], 'readwrite');
    const frames = change.objectStore(FRAMES);
    for (const frame of put) frames.put(this.row(frame));
    for (const id of remove) frames.delete([this.key, this.owner, id]);
    await done(change);
  }

  close(): void {
    this.owners?.end();
    this.database?.close();
    this.database = null;
  }

  /** Takes what a client that is gone left to this user. The caller sees to it that it is gone, and that only one takes it. */
  private async inherit(owner: string): Promise<void> {
    const { user, take } = this;
    if (!take || !this.database) return;
    const change = this.transaction([FRAMES], 'readwrite');
    const frames = change.objectStore(FRAMES);
    const rows = await result<Row[]>(frames.getAll(rangeOf(this.key, owner)));
    const found = rows.filter((row) => row.user === user || row.user === null);
    for (const row of found) {
      frames.delete([this.key, owner, row.id]);
      frames.put(this.row(row));
    }
    await done(change);
    if (found.length > 0 && this.database) take(found);
  }

  private row({ id, user, since, n, tried, frame }: StoredFrame): Row {
    return { key: this.key, owner: this.owner, id, user, since, n, tried, frame };
  }

  private transaction(stores: string[], mode: IDBTransactionMode): IDBTransaction {
    if (!this.database) throw new CrosspointError('unavailable', 'the store is closed');
    return this.database.transaction(stores, mode);
  }
}

/** All rows whose keys begin so. */
function rangeOf(...begin: string[]): IDBKeyRange {
  return IDBKeyRange.bound(begin, [...begin, []]);
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore(FRAMES, { keyPath: ['key', 'owner', 'id'] });
      opening.result.createObjectStore(USERS, { keyPath: 'key' });
    };
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      database.onversionchange = () => database.close();
      resolve(database);
    };
  });
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new DOMException('aborted', 'AbortError'));
  });
}
