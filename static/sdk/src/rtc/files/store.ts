import { CrosspointError } from '../../codes.js';
import type { FileSink } from './types.js';

/** What is kept of a file, comes in pieces of this size; a reload loses what is not yet one. */
export const SEGMENT_BYTES = 4 << 20;

/** Which file a store has pieces of. */
export interface Manifest {
  t: string;
  name: string;
  type: string;
  size: number;
  /** The hub and the room, who sends it and to whom. */
  hub: string;
  room: string;
  from: string;
  to: string;
  /** When it was begun, ms since 1970. */
  since: number;
}

/** A file that isn't whole. */
export interface Leftover extends Manifest {
  /** Bytes that are here. */
  held: number;
}

/** Pieces of one file, which this page has for itself. */
export interface Kept {
  /** Those from the first one on without a hole. */
  segments(): Promise<Blob[]>;
  put(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The pieces may go as soon as this page does. */
  finish(): Promise<void>;
  remove(): Promise<void>;
  /** Others may have it. */
  release(): void;
}

/** Where files are kept while they come. */
export interface Store {
  /** Rejects with `limit_exceeded` if there is no room, with `replaced` if another tab has it. */
  open(manifest: Manifest): Promise<Kept>;
  /** What nobody has in hand. */
  list(): Promise<Leftover[]>;
}

/** Where the bytes of a file go. */
export interface Target {
  /** Hands on the bytes that are here already, in order. */
  replay(take: (bytes: Uint8Array) => void): Promise<number>;
  write(bytes: Uint8Array): void;
  /** All has been written. */
  finish(): Promise<File | null>;
  /** It comes to nothing. */
  drop(reason: CrosspointError): void;
  /** It doesn't go on here, but may later. */
  leave(reason: CrosspointError): void;
}

/** What a target tells. */
export interface TargetHooks {
  /** So many bytes need no more room. */
  settled(count: number): void;
  failed(error: unknown): void;
}

/** Collects segments in a store. */
export class Segments implements Target {
  private readonly parts: Blob[] = [];
  private buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  private filled = 0;
  private taken = 0;
  private writing = 0;
  private chain: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly kept: Kept,
    private readonly manifest: Manifest,
    private readonly hooks: TargetHooks,
  ) {}

  async replay(take: (bytes: Uint8Array) => void): Promise<number> {
    const { size } = this.manifest;
    for (const blob of await this.kept.segments()) {
      if (this.taken >= size || blob.size !== Math.min(SEGMENT_BYTES, size - this.taken)) break;
      take(new Uint8Array(await blob.arrayBuffer()));
      this.parts.push(blob);
      this.taken += blob.size;
    }
    return this.taken;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.filled === this.buffer.length) {
        this.buffer = new Uint8Array(Math.min(SEGMENT_BYTES, this.manifest.size - this.taken));
        this.filled = 0;
      }
      const count = Math.min(bytes.length - at, this.buffer.length - this.filled);
      this.buffer.set(bytes.subarray(at, at + count), this.filled);
      this.filled += count;
      this.taken += count;
      at += count;
      if (this.filled === this.buffer.length) this.put(this.buffer);
    }
    this.settle();
  }

  async finish(): Promise<File> {
    await this.chain;
    const { name, type } = this.manifest;
    const parts = await this.kept.segments();
    await this.kept.finish();
    return new File(parts, name, { type });
  }

  drop(): void {
    void this.chain
      .catch(() => {})
      .then(() => this.kept.remove())
      .catch((error) => this.hooks.failed(error));
  }

  leave(): void {
    void this.chain.catch(() => {}).then(() => this.kept.release());
  }

  private put(bytes: Uint8Array<ArrayBuffer>): void {
    const index = Math.ceil(this.taken / SEGMENT_BYTES) - 1;
    this.writing += 1;
    this.chain = this.chain.then(async () => {
      await this.kept.put(index, bytes);
      this.writing -= 1;
      this.settle();
    });
    this.chain.catch((error) => this.hooks.failed(error));
  }

  /** One segment is written while the next one fills: no more than that is in memory. */
  private settle(): void {
    if (this.writing <= 1) this.hooks.settled(this.taken);
  }
}

/** Hands all on to a sink, which keeps nothing that could be gone on with. */
export class Sunk implements Target {
  private chain: Promise<unknown> = Promise.resolve();
  private taken = 0;

  constructor(
    private readonly sink: FileSink,
    private readonly hooks: TargetHooks,
  ) {}

  async replay(): Promise<number> {
    return 0;
  }

  write(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.chain = this.chain.then(async () => {
      await this.sink.write(copy);
      this.taken += copy.length;
      this.hooks.settled(this.taken);
    });
    this.chain.catch((error) => this.hooks.failed(error));
  }

  async finish(): Promise<null> {
    await this.chain;
    await this.sink.close();
    return null;
  }

  drop(reason: CrosspointError): void {
    void this.chain
      .catch(() => {})
      .then(() => this.sink.abort?.(reason))
      .catch(() => {});
  }

  leave(reason: CrosspointError): void {
    this.drop(reason);
  }
}

export function noRoom(bytes: number): CrosspointError {
  return new CrosspointError('limit_exceeded', `there is no room here for ${bytes} bytes`);
}

export function bytesOf(segments: Blob[]): number {
  return segments.reduce((sum, { size }) => sum + size, 0);
}
