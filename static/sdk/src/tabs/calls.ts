import { CrosspointError } from '../codes.js';
import { randomId } from './bus.js';
import { pack, unpack } from './codec.js';
import type { Message } from './messages.js';

export type CallName = (Message & { k: 'call' })['name'];

interface Call {
  message: Message & { k: 'call' };
  resolve(): void;
  reject(error: unknown): void;
}

/** What a follower has the leader do; asked again of the next one. */
export class Calls {
  private readonly calls = new Map<string, Call>();

  constructor(
    private readonly post: (message: Message) => void,
    private readonly act: (name: CallName, arg: string) => Promise<void> | void,
  ) {}

  call(tab: string, name: CallName, arg = ''): Promise<void> {
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
    let error: unknown = null;
    try {
      await this.act(name, arg);
    } catch (e) {
      error = pack(e);
    }
    this.post({ k: 'answer', to: tab, id, error });
  }

  answered({ id, error }: Message & { k: 'answer' }): void {
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (error === null) call?.resolve();
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
