import { CrosspointError } from '../codes.js';
import { randomId } from './bus.js';
import { pack, unpack } from './codec.js';
import type { Message } from './messages.js';

export type CallName = (Message & { k: 'call' })['name'];

interface Call {
  message: Message & { k: 'call' };
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** What a follower has the leader do; asked again of the next one. */
export class Calls {
  private readonly calls = new Map<string, Call>();
  /** What others ask for, until it is done: they may ask twice. */
  private readonly serving = new Set<string>();

  constructor(
    private readonly post: (message: Message) => void,
    private readonly act: (name: CallName, arg: unknown) => Promise<unknown> | void,
  ) {}

  call(tab: string, name: CallName, arg: unknown): Promise<unknown> {
    const message = { k: 'call', tab, id: randomId(), name, arg } as const;
    return new Promise((resolve, reject) => {
      this.calls.set(message.id, { message, resolve, reject });
      this.post(message);
    });
  }

  /** There is a new leader. */
  again(): void {
    for (const { message } of this.calls.values()) this.post(message);
  }

  /** This tab leads: does what another one asks for. */
  async called({ tab, id, name, arg }: Message & { k: 'call' }): Promise<void> {
    if (this.serving.has(id)) return;
    this.serving.add(id);
    let error: unknown = null;
    let result: unknown = null;
    try {
      result = await this.act(name, arg);
    } catch (e) {
      // The next leader is asked again.
      if (name === 'bulk' && (e as CrosspointError).code === 'replaced') return;
      error = pack(e);
    } finally {
      this.serving.delete(id);
    }
    this.post({ k: 'answer', to: tab, id, error, result });
  }

  answered({ id, error, result }: Message & { k: 'answer' }): void {
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (error === null) call?.resolve(result);
    else call?.reject(unpack(error));
  }

  /** This tab leads now, and does itself what it had asked for. */
  own(): void {
    for (const { message, resolve, reject } of this.take()) {
      Promise.resolve(this.act(message.name, message.arg)).then(resolve, reject);
    }
  }

  stop(error: CrosspointError): void {
    for (const { reject } of this.take()) reject(error);
  }

  private take(): Call[] {
    const calls = [...this.calls.values()];
    this.calls.clear();
    return calls;
  }
}
