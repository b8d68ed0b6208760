import type { Listener } from './emitter.js';

interface Queued<Flags> {
  args: unknown[];
  flags: Flags;
  tries: number;
  pending: boolean;
}

/** Emits one after another, each again until it is acknowledged or has been tried too often. */
export class RetryQueue<Flags> {
  private readonly queue: Queued<Flags>[] = [];

  constructor(
    private readonly retries: number,
    private readonly connected: () => boolean,
    private readonly emit: (args: unknown[], flags: Flags) => void,
  ) {}

  add(args: unknown[], flags: Flags): void {
    const ack = typeof args[args.length - 1] === 'function' ? (args.pop() as Listener) : undefined;
    const entry: Queued<Flags> = { args, flags, tries: 0, pending: false };
    const answered = (error: Error | null, ...answer: unknown[]) => {
      if (entry !== this.queue[0]) return;
      entry.pending = false;
      if (!error || entry.tries > this.retries) {
        this.queue.shift();
        ack?.(error, ...answer);
      }
      this.next(false);
    };
    answered.withError = true;
    args.push(answered);
    this.queue.push(entry);
    this.next(false);
  }

  /** `again`: what waits for its acknowledgement is emitted again. */
  drain(again: boolean): void {
    this.next(again);
  }

  private next(again: boolean): void {
    const [entry] = this.queue;
    if (!entry || !this.connected() || (entry.pending && !again)) return;
    entry.pending = true;
    entry.tries += 1;
    this.emit([...entry.args], entry.flags);
  }
}
