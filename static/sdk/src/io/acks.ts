import { call, type Listener } from './emitter.js';

interface Ack {
  fn: Listener;
  /** Whether it takes an error as its first argument. */
  withError: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Callbacks of events that wait to be acknowledged. */
export class Acks {
  private readonly acks = new Map<number, Ack>();
  private last = 0;

  /** `late` is told when the time is over. */
  add(fn: Listener, withError: boolean, timeoutMs: number | undefined, late: (id: number) => void): number {
    const id = ++this.last;
    const expire = () => {
      late(id);
      this.fail(id, new Error('operation has timed out'));
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    this.acks.set(id, { fn, withError: withError || timeoutMs !== undefined, timer });
    return id;
  }

  answer(id: number, args: unknown[]): void {
    const ack = this.take(id);
    if (ack) call(ack.fn, undefined, ack.withError ? [null, ...args] : args);
  }

  /** Callbacks that take no error are forgotten, as in socket.io. */
  fail(id: number, error: Error): void {
    const ack = this.take(id);
    if (ack?.withError) call(ack.fn, undefined, [error]);
  }

  /** Fails all but those that `keep` wants. */
  failAll(error: Error, keep: (id: number) => boolean): void {
    for (const id of [...this.acks.keys()]) if (!keep(id)) this.fail(id, error);
  }

  private take(id: number): Ack | undefined {
    const ack = this.acks.get(id);
    this.acks.delete(id);
    clearTimeout(ack?.timer);
    return ack;
  }
}
