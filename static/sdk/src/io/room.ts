import type { RoomEvent } from '../types.js';
import type { Carrier, CarrierHost } from './carrier.js';
import { unpack } from './codec.js';
import type { Manager } from './manager.js';

/** Events by a room of the hub, without a service. */
export class RoomCarrier implements Carrier {
  stands = false;

  constructor(
    private readonly manager: Manager,
    private readonly room: string,
    private readonly echo: boolean,
    private readonly host: CarrierHost,
  ) {}

  open(): void {
    const { manager } = this;
    const { hub: client } = manager;
    manager.join(this.room, this.take).then(
      () => {
        if (client !== manager.hub || !client?.session) return;
        this.stands = true;
        this.host.opened(client.session);
      },
      (error: Error) => client === manager.hub && this.host.refused(error, true),
    );
  }

  lost(): void {
    this.stands = false;
  }

  send(type: string, data: unknown, volatile: boolean): void {
    const frame = { type, room: this.room, data, echo: this.echo };
    this.manager.hub!.fire(volatile ? { ...frame, volatile: this.manager.volatileKey() } : frame);
  }

  ask(type: string, data: unknown, timeoutMs: number, done: (args: unknown[]) => void, failed: (error: Error) => void): void {
    const frame = { type, room: this.room, data, echo: this.echo };
    this.manager.hub!.ask(frame, { timeoutMs, done: (result) => done([result]) }).catch(failed);
  }

  close(): Promise<void> {
    this.stands = false;
    return this.manager.leave(this.room, this.take);
  }

  private readonly take = ({ type, data }: RoomEvent): void => {
    const { args, meta } = unpack(data);
    if (this.stands) this.host.event([meta.ev ?? type, ...args]);
  };
}
