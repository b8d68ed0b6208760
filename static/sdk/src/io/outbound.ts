import { pack, typeOf } from './codec.js';

/** An event on its way out. */
export interface Packet {
  event: string;
  args: unknown[];
  volatile: boolean;
  /** Names the callback that waits for its acknowledgement. */
  ack?: number;
  timeoutMs?: number | undefined;
}

/** Sends packets in order, also where the bytes of a Blob have to be read first. */
export class Outbound {
  private tail: Promise<void> | null = null;

  constructor(
    private readonly send: (packet: Packet, type: string, data: unknown) => void,
    private readonly failed: (packet: Packet, error: Error) => void,
  ) {}

  push(packet: Packet): void {
    if (this.tail) this.after(this.tail, packet);
    else this.go(packet);
  }

  private go(packet: Packet): Promise<void> | void {
    const fail = (error: unknown) => this.failed(packet, error as Error);
    try {
      const { type, ...meta } = typeOf(packet.event);
      const data = pack(packet.args, meta);
      if (!(data instanceof Promise)) return this.send(packet, type, data);
      const sent = data.then((read) => this.send(packet, type, read)).catch(fail);
      return this.tail ? sent : this.follow(sent);
    } catch (error) {
      fail(error);
    }
  }

  private after(tail: Promise<void>, packet: Packet): void {
    this.follow(tail.then(() => this.go(packet)));
  }

  private follow(last: Promise<void>): void {
    this.tail = last.then(() => {});
    const mine = this.tail;
    void mine.then(() => {
      if (this.tail === mine) this.tail = null;
    });
  }
}
