import { Sha256 } from './sha256.js';

/** So much is read at a time. */
const BLOCK_BYTES = 1 << 20;

/** What is sent, to however many: read in blocks, and digested once, in passing. */
export class Source {
  private readonly hash = new Sha256();
  private digested: Promise<string> | null = null;

  constructor(readonly blob: Blob) {}

  /** Rejects if the file isn't what it was any more. */
  async block(offset: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(await this.blob.slice(offset, offset + BLOCK_BYTES).arrayBuffer());
    const skip = this.hash.length - offset;
    if (!this.digested && skip >= 0 && skip < bytes.length) this.hash.update(bytes.subarray(skip));
    return bytes;
  }

  /** Of the whole, in hexadecimal digits. */
  digest(): Promise<string> {
    this.digested ??= this.rest();
    return this.digested;
  }

  private async rest(): Promise<string> {
    const { hash, blob } = this;
    while (hash.length < blob.size) {
      const { length } = hash;
      hash.update(new Uint8Array(await blob.slice(length, length + BLOCK_BYTES).arrayBuffer()));
    }
    return hash.hex();
  }
}

/** Reads one transfer's bytes, mostly in order. */
export class Reader {
  private block: Uint8Array = new Uint8Array(0);
  private start = 0;

  constructor(private readonly source: Source) {}

  /** At most so many bytes from there, at least one if there is any. */
  async read(offset: number, bytesMax: number): Promise<Uint8Array> {
    if (offset < this.start || offset >= this.start + this.block.length) {
      this.block = await this.source.block(offset);
      this.start = offset;
    }
    return this.block.subarray(offset - this.start, offset - this.start + bytesMax);
  }
}
