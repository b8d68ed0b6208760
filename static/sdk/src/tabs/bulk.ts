import type { BulkFrame, BulkState, Delivered } from '../bulk/bulk.js';
import type { BulkDoor } from '../bulk/door.js';
import { cancelled } from '../bulk/jobs.js';
import type { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
import type { Message } from './messages.js';

export interface SharedBulkHooks {
  door: BulkDoor;
  leads(): boolean;
  isClosed(): boolean;
  post(message: Message): void;
  /** Has the leader send it. */
  call(frame: BulkFrame): Promise<unknown>;
  /** Hands a message to the application. */
  take(frame: Frame): void;
}

/** The bulk session that tabs share: the leader has it, all see what comes, and each knows how far it has come. */
export class SharedBulk {
  state: BulkState | null = null;
  private asked = false;

  constructor(private readonly hooks: SharedBulkHooks) {}

  send(frame: BulkFrame, signal?: AbortSignal): Promise<Delivered> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(cancelled());
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      void this.deliver(frame)
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener('abort', abort));
    });
  }

  /** Sends it, whoever leads; again where the lead changes meanwhile. */
  private async deliver(frame: BulkFrame): Promise<Delivered> {
    for (;;) {
      try {
        return (await this.hooks.call(frame)) as Delivered;
      } catch (error) {
        if ((error as CrosspointError).code !== 'replaced' || this.hooks.isClosed()) throw error;
      }
    }
  }

  /** The leader's bulk session has come further; perhaps by a message. */
  came(state: BulkState, frame: Frame | null): void {
    this.hooks.post({ k: 'bulk', state, frame });
    this.told(state, frame);
  }

  /** Two leaders may tell the same for a moment. */
  told(state: BulkState, frame: Frame | null): void {
    const { state: known } = this;
    if (known?.session === state.session && state.received <= known.received) return;
    this.state = state;
    if (frame) this.hooks.take(frame);
  }

  /** The hub asks for it. */
  wake(): void {
    this.asked = true;
    if (this.hooks.leads()) this.hooks.door.wake();
  }

  /** This tab leads now. */
  lead(): void {
    if (this.asked || this.state) this.hooks.door.wake();
  }

  /** It does no longer. */
  unlead(): void {
    this.hooks.door.leave();
  }
}
