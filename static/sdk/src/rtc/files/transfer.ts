import type { Clock } from '../../clock.js';
import type { CrosspointError } from '../../codes.js';
import { Emitter } from '../../emitter.js';
import type { PeerLink } from '../link.js';
import type { Via } from '../types.js';
import type { FileProgress, FileState, FileTransfer, FileTransferEvents } from './types.js';
import type { Control } from './wire.js';

/** The topic of what the ends of transfers say to each other. */
export const TOPIC = 'file';
/** Progress is told at most this often (ms), and at the end. */
const PROGRESS_MS = 100;
/** What the peer's link doesn't take is tried again after this (ms). */
const RETRY_MS = 500;
/** About what a message takes around its texts (bytes). */
const CONTROL_BYTES = 200;

export interface TransferHooks {
  clock: Clock;
  report(error: unknown): void;
  over(transfer: Transfer): void;
}

interface Machine {
  readonly over: boolean;
  deadline(): number;
  tick(now: number): void;
}

/** What both ends of a transfer have in common. */
export abstract class Transfer implements FileTransfer {
  state: FileState = 'offered';
  bytes = 0;
  via: Via = 'hub';
  error: CrosspointError | null = null;
  onProgress: ((progress: FileProgress) => void) | undefined;
  protected readonly events: Emitter<FileTransferEvents>;
  protected abstract readonly machine: Machine;
  private readonly unsaid: Control[] = [];
  private toldAt = -Infinity;
  private cancelTick: (() => void) | null = null;
  private cancelRetry: (() => void) | null = null;

  constructor(
    readonly id: string,
    readonly name: string,
    readonly type: string,
    readonly size: number,
    readonly meta: unknown,
    public link: PeerLink,
    protected readonly hooks: TransferHooks,
  ) {
    this.events = new Emitter((error) => hooks.report(error));
  }

  get peer(): { user: string; session: string } {
    const { user, session } = this.link.peer;
    return { user, session };
  }

  abstract cancel(reason?: string): void;

  on<K extends keyof FileTransferEvents>(event: K, fn: (value: FileTransferEvents[K]) => void): () => void {
    return this.events.on(event, fn);
  }

  off<K extends keyof FileTransferEvents>(event: K, fn: (value: FileTransferEvents[K]) => void): void {
    this.events.off(event, fn);
  }

  protected get now(): number {
    return this.hooks.clock.now();
  }

  /** Acts on what the machine wants. */
  protected abstract act(): void;

  /** After anything happened. */
  protected work(): void {
    this.act();
    this.cancelTick?.();
    this.cancelTick = null;
    const at = this.machine.deadline();
    if (at === Infinity) return;
    this.cancelTick = this.hooks.clock.after(at - this.now, () => {
      this.machine.tick(this.now);
      this.work();
    });
  }

  /** Says something to the other end, in order. */
  protected say(control: Control): void {
    this.unsaid.push(control);
    if (!this.cancelRetry) this.sayAll();
  }

  private sayAll(): void {
    for (let control = this.unsaid[0]; control; control = this.unsaid[0]) {
      try {
        this.link.send(TOPIC, control, CONTROL_BYTES + JSON.stringify(control).length, () => {});
      } catch (error) {
        // Who is gone is told when they come back.
        if ((error as CrosspointError).code !== 'limit_exceeded') this.unsaid.length = 0;
        if (this.unsaid.length === 0) return;
        this.cancelRetry = this.hooks.clock.after(RETRY_MS, () => {
          this.cancelRetry = null;
          this.sayAll();
        });
        return;
      }
      this.unsaid.shift();
    }
  }

  /** What wasn't said to the last one is not for this one. */
  protected leads(link: PeerLink): void {
    this.link = link;
    this.unsaid.length = 0;
  }

  protected goes(via: Via): void {
    if (this.via === via) return;
    this.via = via;
    this.events.emit('path', { via });
  }

  protected progress(bytes: number): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    const { now, size } = this;
    if (now - this.toldAt < PROGRESS_MS && bytes !== size) return;
    this.toldAt = now;
    const progress = { bytes, size, transfer: this };
    if (this.onProgress) {
      try {
        this.onProgress(progress);
      } catch (error) {
        this.hooks.report(error);
      }
    }
    this.events.emit('progress', progress);
  }

  protected become(state: FileState, error: CrosspointError | null = null): void {
    const { state: previous } = this;
    if (state === previous || previous === 'done' || previous === 'failed') return;
    this.state = state;
    this.error = error;
    if (state === 'done' || state === 'failed') this.hooks.over(this);
    this.events.emit('state', { state, previous, error });
  }
}
