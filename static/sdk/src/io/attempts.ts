import type { ManagerOptions } from './types.js';

type Event = 'reconnect' | 'reconnect_attempt' | 'reconnect_error' | 'reconnect_failed';

/** Counts the attempts to connect again, as the events of socket.io tell them. */
export class Attempts {
  private count = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly options: ManagerOptions,
    private readonly tell: (event: Event, value?: unknown) => void,
    private readonly giveUp: () => void,
  ) {}

  /** The first attempt is about to be made. */
  begin(): void {
    this.count = 0;
    this.next();
  }

  failed(error: Error): void {
    const over = this.count >= (this.options.reconnectionAttempts ?? Infinity);
    if (over) this.tell('reconnect_failed');
    if (this.count > 0) this.tell('reconnect_error', error);
    if (over) this.giveUp();
    else this.next();
  }

  succeeded(): void {
    const { count } = this;
    this.stop();
    if (count > 0) this.tell('reconnect', count);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.count = 0;
  }

  private next(): void {
    this.count += 1;
    clearTimeout(this.timer);
    const { count } = this;
    this.timer = setTimeout(() => this.tell('reconnect_attempt', count));
  }
}
