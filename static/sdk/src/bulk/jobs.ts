import { tooLarge } from '../check.js';
import { CrosspointError } from '../codes.js';
import type { BulkFrame, Delivered } from './bulk.js';

/** Frames that may be on their way, and bytes in them; the hub may want fewer. */
const FRAMES_MAX = 16;
const BYTES_MAX = 1 << 20;

interface Job {
  frame: BulkFrame;
  bytes: number;
  result: Promise<Delivered>;
  resolve(result: Delivered): void;
  reject(error: CrosspointError): void;
  /** It is heard no more whether the caller gave up. */
  deaf(): void;
}

/** What is to be sent in bulk, in order, so much of it at a time. */
export class Jobs {
  private waiting: Job[] = [];
  private readonly sent = new Map<string, Job>();
  private sentBytes = 0;
  private framesMax = FRAMES_MAX;
  private bytesMax = BYTES_MAX;

  constructor(
    private readonly waitingMax: number,
    private readonly give: (frame: BulkFrame) => void,
    private readonly frameBytesMax: () => number,
  ) {}

  get size(): number {
    return this.waiting.length + this.sent.size;
  }

  limit(framesMax: number, bytesMax: number): void {
    this.framesMax = Math.min(FRAMES_MAX, Math.max(1, framesMax));
    this.bytesMax = Math.min(BYTES_MAX, bytesMax);
  }

  /** One that is under way already is not sent twice. */
  add(frame: BulkFrame, bytes: number, signal?: AbortSignal): Promise<Delivered> {
    const known = this.sent.get(frame.id) ?? this.waiting.find((job) => job.frame.id === frame.id);
    if (known) return known.result;
    if (signal?.aborted) return Promise.reject(cancelled());
    if (this.waiting.length >= this.waitingMax) {
      return Promise.reject(new CrosspointError('limit_exceeded', `${this.waitingMax} bulk frames wait already`));
    }
    const job = { frame, bytes } as Job;
    const abort = () => this.cancel(job);
    signal?.addEventListener('abort', abort);
    job.deaf = () => signal?.removeEventListener('abort', abort);
    job.result = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
    this.waiting.push(job);
    return job.result;
  }

  /** Gives what may go now; a link is there. */
  pump(): void {
    for (let job = this.waiting[0]; job && this.fits(job); job = this.waiting[0]) {
      this.waiting.shift();
      // Its size was checked when the hub's limit was perhaps not known.
      if (job.bytes > this.frameBytesMax()) {
        job.deaf();
        job.reject(tooLarge(job.bytes, this.frameBytesMax()));
        continue;
      }
      this.sent.set(job.frame.id, job);
      this.sentBytes += job.bytes;
      this.give(job.frame);
    }
  }

  settle(id: string | undefined, result: Delivered): void {
    this.take(id)?.resolve(result);
    this.pump();
  }

  fail(id: string, error: CrosspointError): void {
    this.take(id)?.reject(error);
    this.pump();
  }

  failAll(error: CrosspointError): void {
    const jobs = [...this.sent.values(), ...this.waiting.splice(0)];
    this.sent.clear();
    this.sentBytes = 0;
    for (const job of jobs) {
      job.deaf();
      job.reject(error);
    }
  }

  private fits({ bytes }: Job): boolean {
    const { size } = this.sent;
    return size === 0 || (size < this.framesMax && this.sentBytes + bytes <= this.bytesMax);
  }

  /** What has left counts until its reply comes, though nobody waits for that any more. */
  private cancel(job: Job): void {
    this.waiting = this.waiting.filter((other) => other !== job);
    job.deaf();
    job.reject(cancelled());
  }

  private take(id: string | undefined): Job | undefined {
    const job = this.sent.get(id ?? '');
    if (!job) return undefined;
    this.sent.delete(job.frame.id);
    this.sentBytes -= job.bytes;
    job.deaf();
    return job;
  }
}

export function cancelled(): CrosspointError {
  return new CrosspointError('bye', 'it was cancelled; if it had left already it may come');
}
