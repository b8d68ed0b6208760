import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Frame } from './frame.js';
import type { Keep } from './offline/kept.js';
import type { Status } from './types.js';

type StatusFn = (status: Status, error?: CrosspointError) => void;

interface Call {
  resolve(data: any): void;
  reject(error: CrosspointError): void;
  status: Status;
  options: CallOptions;
  cancel: (() => void) | undefined;
}

export interface CallOptions {
  /** Kept as `Options.offline` says, or only as long as the page. */
  keep?: Keep | undefined;
  timeoutMs?: number | undefined;
  onStatus?: StatusFn | undefined;
  /** Sees the reply's data at once. */
  done?: ((data: any) => void) | undefined;
  /** Sees at once why there is none. */
  failed?: ((error: CrosspointError) => void) | undefined;
}

/** Frames that wait for their reply. */
export class Pending {
  private readonly calls = new Map<string, Call>();

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.calls.size;
  }

  has(id: string): boolean {
    return this.calls.has(id);
  }

  /** Resolves with the reply's data. */
  add<T>(id: string, options: CallOptions): Promise<T> {
    const { timeoutMs } = options;
    return new Promise<T>((resolve, reject) => {
      const late = () => this.fail(id, new CrosspointError('timeout'));
      const cancel = timeoutMs === undefined ? undefined : this.clock.after(timeoutMs, late);
      this.calls.set(id, { resolve, reject, status: 'queued', options, cancel });
    });
  }

  /** The frame left by a link. */
  sent(id: string): void {
    this.status(this.calls.get(id), 'sending');
  }

  /** It is not under way any more, and waits. */
  queued(id: string): void {
    this.status(this.calls.get(id), 'queued');
  }

  statusOf(id: string): Status | undefined {
    return this.calls.get(id)?.status;
  }

  /** Nobody hears of the reply any more; what becomes of the frame is open. */
  abandon(id: string, error: CrosspointError): void {
    this.take(id)?.reject(error);
  }

  /** No link is there: what is unanswered waits for the next one. */
  unsent(): void {
    for (const call of this.calls.values()) this.status(call, 'queued');
  }

  /** Takes a reply or error; `false` if nobody waits for it. */
  settle(frame: Frame): boolean {
    const id = frame.id;
    if (id === undefined || !this.calls.has(id)) return false;
    if (frame.type === 'hub:error') {
      this.fail(id, CrosspointError.from(frame.data));
    } else {
      const call = this.take(id)!;
      this.status(call, 'stored');
      call.options.done?.(frame.data);
      call.resolve(frame.data);
    }
    return true;
  }

  fail(id: string, error: CrosspointError): void {
    const call = this.take(id);
    if (!call) return;
    this.status(call, 'failed', error);
    call.options.failed?.(error);
    call.reject(error);
  }

  failAll(error: CrosspointError): void {
    for (const id of [...this.calls.keys()]) this.fail(id, error);
  }

  private take(id: string): Call | undefined {
    const call = this.calls.get(id);
    this.calls.delete(id);
    call?.cancel?.();
    return call;
  }

  private status(call: Call | undefined, status: Status, error?: CrosspointError): void {
    if (!call || call.status === status) return;
    call.status = status;
    call.options.onStatus?.(status, error);
  }
}
