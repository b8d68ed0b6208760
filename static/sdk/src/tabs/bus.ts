import type { Clock } from '../clock.js';
import type { Message } from './messages.js';

/** An echo that doesn't come is no reason to wait for ever (ms). */
const ECHO_MS = 500;

/** How tabs of one group talk. What one of them posts comes to all others in the same order. */
export class Bus {
  private readonly channel: BroadcastChannel;
  private readonly echoes = new Map<string, () => void>();
  private closed = false;

  constructor(
    readonly name: string,
    private readonly clock: Clock,
    take: (message: Message) => void,
  ) {
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.k === 'echo') this.echoes.get(data.id)?.();
      else take(data);
    };
  }

  post(message: Message): void {
    if (!this.closed) this.channel.postMessage(message);
  }

  /** Resolves when all that was posted to this tab so far has been taken. */
  async drained(): Promise<void> {
    const id = randomId();
    const probe = new BroadcastChannel(this.name);
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(ECHO_MS, resolve);
      this.echoes.set(id, () => {
        cancel();
        resolve();
      });
      probe.postMessage({ k: 'echo', id } satisfies Message);
    });
    this.echoes.delete(id);
    probe.close();
  }

  close(): void {
    this.closed = true;
    this.channel.close();
  }
}

/** Waits for a lock; returns what releases it, or `null` where `ifAvailable` found it taken. `stolen` is called when another took it.
 * Rejects when `signal` says so. */
export function hold(name: string, options: LockOptions, stolen: () => void = () => {}): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    let held = false;
    const keep = (lock: Lock | null) => {
      if (!lock) return resolve(null);
      held = true;
      return new Promise<void>((release) => resolve(release));
    };
    navigator.locks.request(name, options, keep).catch((error) => (held ? stolen() : reject(error)));
  });
}

export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join('');
}
