import { CrosspointError } from '../../codes.js';
import { MemoryStore } from './memory.js';
import { bytesOf, noRoom, type Kept, type Leftover, type Manifest, type Store } from './store.js';

const FOLDER = 'crosspoint-files';
const MANIFEST = 'manifest';
const FINISHED = 'finished';
/** What nobody went on with for so long (ms) is removed. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** Another page may take so long (ms) to let go of a file. */
const OPEN_MS = 3_000;

/** Where this page can keep files: in the browser's own file system, if it has one that can be written here. */
export async function storeHere(): Promise<Store> {
  try {
    const writes = 'createWritable' in FileSystemFileHandle.prototype && typeof navigator.locks.request === 'function';
    if (writes && (await navigator.storage.getDirectory())) return new OpfsStore();
  } catch {
    // A page without a secure context, or a private window.
  }
  return new MemoryStore();
}

/** In the origin's private file system: a folder per file, in it a file per piece. A piece is there as a whole or not at all. */
export class OpfsStore implements Store {
  async open(manifest: Manifest): Promise<Kept> {
    const { t, size } = manifest;
    // The page before a reload may take a moment to let go.
    const release = await lock(t, { signal: AbortSignal.timeout(OPEN_MS) });
    if (!release) throw new CrosspointError('replaced', 'another tab has this file in hand');
    try {
      const root = await this.root();
      const folder = await root.getDirectoryHandle(t, { create: true });
      const segments = await segmentsIn(folder);
      const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
      if (size - bytesOf(segments) > quota - usage) throw noRoom(size);
      await write(folder, MANIFEST, JSON.stringify(manifest));
      return {
        segments: () => segmentsIn(folder),
        put: (index, bytes) => write(folder, String(index), bytes),
        finish: () => write(folder, FINISHED, '1'),
        remove: async () => {
          await root.removeEntry(t, { recursive: true });
          release();
        },
        release,
      };
    } catch (error) {
      release();
      throw (error as Error).name === 'QuotaExceededError' ? noRoom(size) : error;
    }
  }

  async list(): Promise<Leftover[]> {
    const root = await this.root();
    const { held: locks = [] } = await navigator.locks.query();
    const inHand = new Set(locks.map(({ name }) => name));
    const left: Leftover[] = [];
    for await (const [t, handle] of root as unknown as AsyncIterable<[string, FileSystemDirectoryHandle]>) {
      if (inHand.has(lockOf(t))) continue;
      const manifest = await manifestOf(handle);
      if (manifest) left.push({ ...manifest, held: bytesOf(await segmentsIn(handle)) });
      else await this.remove(root, t);
    }
    return left;
  }

  private async remove(root: FileSystemDirectoryHandle, t: string): Promise<void> {
    const release = await lock(t, { ifAvailable: true });
    if (!release) return;
    try {
      await root.removeEntry(t, { recursive: true });
    } finally {
      release();
    }
  }

  private async root(): Promise<FileSystemDirectoryHandle> {
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, { create: true });
  }
}

/** `null`: it is of no use any more. */
async function manifestOf(folder: FileSystemDirectoryHandle): Promise<Manifest | null> {
  try {
    if (await read(folder, FINISHED)) return null;
    const manifest = JSON.parse((await (await read(folder, MANIFEST))?.text()) ?? 'null') as Manifest;
    return manifest.since > Date.now() - KEPT_MS ? manifest : null;
  } catch {
    return null;
  }
}

async function segmentsIn(folder: FileSystemDirectoryHandle): Promise<Blob[]> {
  const segments: Blob[] = [];
  for (;;) {
    const file = await read(folder, String(segments.length));
    // One that was never written has no bytes.
    if (!file || file.size === 0) return segments;
    segments.push(file);
  }
}

async function read(folder: FileSystemDirectoryHandle, name: string): Promise<File | null> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch (error) {
    if ((error as Error).name === 'NotFoundError') return null;
    throw error;
  }
}

async function write(folder: FileSystemDirectoryHandle, name: string, data: Uint8Array<ArrayBuffer> | string): Promise<void> {
  const handle = await folder.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(data);
  await stream.close();
}

const lockOf = (t: string) => `crosspoint file ${t}`;

/** Has a file for this page, until the returned function is called. `null`: another page has it. */
function lock(t: string, options: LockOptions): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    navigator.locks
      .request(lockOf(t), options, (got) => {
        if (!got) return resolve(null);
        return new Promise<void>((release) => resolve(release));
      })
      .catch(() => resolve(null));
  });
}
