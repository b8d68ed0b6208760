import { check } from '../check.js';
import { CrosspointError } from '../codes.js';
import { closed, type Core } from '../core.js';
import { load } from '../parts.js';
import type { Bulk, BulkFrame, BulkHooks, Delivered } from './bulk.js';

/** What a frame has besides its payload, at most (bytes). */
const HEAD_BYTES = 1_024;

/** The way to the bulk session, which is loaded when it is wanted. */
export class BulkDoor {
  private bulk: Promise<Bulk> | null = null;

  constructor(
    private readonly core: Core,
    private readonly hooks: BulkHooks,
  ) {}

  /** How many bytes the payload of one frame may have: where a path carries text only they grow by a third. */
  get bytesMax(): number {
    return Math.max(0, Math.floor(((this.core.frameBytesMax - HEAD_BYTES) * 3) / 4));
  }

  async send(frame: BulkFrame, signal?: AbortSignal): Promise<Delivered> {
    if (this.core.state === 'closed') throw closed();
    const bytes = check(frame, this.core.frameBytesMax);
    return (await this.open()).send(frame, bytes, signal);
  }

  /** The hub has something that waits for the bulk session. */
  wake(): void {
    this.open().then(
      (bulk) => bulk.wake(),
      (error: CrosspointError) => this.core.state !== 'closed' && this.core.emitter.emit('error', error),
    );
  }

  /** Leaves the bulk session to somebody else. */
  leave(): void {
    void this.bulk?.then((bulk) => bulk.stop(new CrosspointError('replaced')), () => {});
    this.bulk = null;
  }

  private open(): Promise<Bulk> {
    if (!this.bulk) {
      const opening = load('bulk').then(({ Bulk }) => {
        if (this.core.state === 'closed') throw closed();
        return new Bulk(this.core, this.hooks);
      });
      this.bulk = opening;
      opening.catch(() => this.bulk === opening && (this.bulk = null));
    }
    return this.bulk;
  }
}
