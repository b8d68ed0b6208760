import { CrosspointError } from '../../codes.js';
import type { PeerLink } from '../link.js';
import type { Way } from '../pair.js';
import type { Via } from '../types.js';
import { Receiving } from './receiving.js';
import { Sha256 } from './sha256.js';
import { Segments, Sunk, type Manifest, type Store, type Target } from './store.js';
import { Transfer, type TransferHooks } from './transfer.js';
import type { FileAcceptOptions, FileOffer } from './types.js';
import type { Control } from './wire.js';

export interface DownloadHooks extends TransferHooks {
  store: Promise<Store>;
  manifest(download: Download): Manifest;
}

/** Ends that leave what is here for later. */
export const PAUSES = new Set(['bye', 'timeout', 'replaced']);

/** A file that a peer offers, and sends if it is wanted. */
export class Download extends Transfer implements FileOffer {
  held = 0;
  protected readonly machine: Receiving;
  private readonly hash = new Sha256();
  private target: Target | null = null;
  private result: Promise<File | null> | null = null;
  private settle!: { resolve(file: File | null): void; reject(error: CrosspointError): void };

  constructor(
    offer: Control & { m: 'offer' },
    link: PeerLink,
    protected override readonly hooks: DownloadHooks,
  ) {
    super(offer.t, offer.name, offer.type, offer.size, offer.meta, link, hooks);
    this.machine = new Receiving(offer.t, offer.size);
  }

  accept(options: FileAcceptOptions = {}): Promise<File | null> {
    if (!this.result) {
      this.onProgress = options.onProgress;
      this.result = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
      if (this.error) this.settle.reject(this.error);
      else void this.begin(options).catch((error) => this.unwritable(error));
    }
    return this.result;
  }

  decline(reason = 'the receiver does not want it'): void {
    this.stop(new CrosspointError('declined', reason, 'never'));
  }

  cancel(reason = 'the receiver has cancelled it'): void {
    this.stop(new CrosspointError('cancelled', reason, 'never'));
  }

  /** Ends it at both ends. */
  stop(error: CrosspointError): void {
    this.machine.stop(error);
    this.work();
  }

  /** Ends it here only. */
  leave(error: CrosspointError): void {
    this.machine.leave(error);
    this.work();
  }

  /** The sender is there, perhaps as another session. */
  attached(link: PeerLink): void {
    if (link !== this.link) this.leads(link);
    this.machine.attached(this.now);
    this.work();
  }

  detached(): void {
    this.machine.detached(this.now);
    this.work();
  }

  came(link: PeerLink, control: Control): void {
    if (link !== this.link) this.leads(link);
    this.machine.came(this.now, control);
    this.work();
  }

  piece(way: Way, via: Via, offset: number, bytes: Uint8Array): void {
    const fresh = this.machine.chunk(this.now, way, offset, bytes);
    if (!fresh) return;
    this.goes(via);
    this.hash.update(fresh);
    this.target!.write(fresh);
    this.work();
  }

  protected act(): void {
    const { machine } = this;
    for (let output = machine.poll(); output; output = machine.poll()) {
      if (output.op === 'control') this.say(output.control);
      else if (output.op === 'check') void this.check(output.hash);
      else this.over(output.error);
    }
    if (machine.over) return;
    this.become(!machine.here ? 'waiting' : machine.accepted ? 'active' : 'offered');
    this.progress(machine.settled);
  }

  private async begin({ sink }: FileAcceptOptions): Promise<void> {
    const { hooks, machine } = this;
    const targetHooks = {
      settled: (count: number) => {
        machine.settle(this.now, count);
        this.work();
      },
      failed: (error: unknown) => this.unwritable(error),
    };
    let target: Target;
    if (sink) {
      target = new Sunk(sink, targetHooks);
    } else {
      const manifest = hooks.manifest(this);
      target = new Segments(await (await hooks.store).open(manifest), manifest, targetHooks);
    }
    const held = await target.replay((bytes) => this.hash.update(bytes));
    if (machine.over) return this.end(target);
    this.target = target;
    machine.accept(this.now, held);
    this.work();
  }

  private async check(expected: string): Promise<void> {
    if (this.hash.hex() !== expected) return this.stop(new CrosspointError('checksum', 'the bytes that came are not those that were sent', 'never'));
    try {
      const file = await this.target!.finish();
      if (this.machine.over) return;
      this.target = null;
      this.machine.right();
      this.work();
      this.settle.resolve(file);
    } catch (error) {
      this.unwritable(error);
    }
  }

  private unwritable(error: unknown): void {
    const known = error instanceof CrosspointError ? error : null;
    const full = (error as Error | null)?.name === 'QuotaExceededError';
    this.stop(known ?? new CrosspointError(full ? 'limit_exceeded' : 'unwritable', `it can't be kept: ${error}`, 'never'));
  }

  private over(error: CrosspointError | null): void {
    this.become(error ? 'failed' : 'done', error);
    if (!error) return;
    if (this.target) this.end(this.target);
    if (this.result) {
      this.result.catch(() => {});
      this.settle.reject(error);
    }
  }

  private end(target: Target): void {
    const error = this.error ?? new CrosspointError('cancelled');
    this.target = null;
    if (PAUSES.has(error.code)) target.leave(error);
    else target.drop(error);
  }
}
