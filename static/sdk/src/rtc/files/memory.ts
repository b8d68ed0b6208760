import { bytesOf, noRoom, type Kept, type Leftover, type Manifest, type Store } from './store.js';

/** What all files in memory may have together (bytes). */
const BYTES_MAX = 256 << 20;

/** Where a browser keeps nothing on disk: the pieces are gone with the page. */
export class MemoryStore implements Store {
  private readonly files = new Map<string, { manifest: Manifest; segments: Blob[]; open: boolean }>();

  async open(manifest: Manifest): Promise<Kept> {
    const { files } = this;
    const { t, size } = manifest;
    for (const [other, { open }] of files) {
      // What nobody has in hand makes room, the oldest first.
      if (this.bytes + size > BYTES_MAX && !open && other !== t) files.delete(other);
    }
    if (!files.has(t) && this.bytes + size > BYTES_MAX) throw noRoom(size);
    const file = files.get(t) ?? { manifest, segments: [], open: true };
    file.open = true;
    files.set(t, file);
    return {
      segments: async () => file.segments,
      put: async (index, bytes) => {
        file.segments[index] = new Blob([bytes]);
      },
      // Who has the file keeps its bytes.
      finish: async () => void files.delete(t),
      remove: async () => void files.delete(t),
      release: () => (file.open = false),
    };
  }

  private get bytes(): number {
    let bytes = 0;
    for (const { manifest } of this.files.values()) bytes += manifest.size;
    return bytes;
  }

  async list(): Promise<Leftover[]> {
    const left = [...this.files.values()].filter(({ open }) => !open);
    return left.map(({ manifest, segments }) => ({ ...manifest, held: bytesOf(segments) }));
  }
}
