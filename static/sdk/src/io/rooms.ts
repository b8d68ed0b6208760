import type { ClientImpl } from '../client.js';
import type { RoomEvent } from '../types.js';

type Listener = (event: RoomEvent) => void;

interface Use {
  listeners: Set<Listener>;
  joined: Promise<void>;
  leave: () => Promise<void>;
}

/** Rooms of the hub that sockets are in: joined with the first, left with the last. */
export class RoomUse {
  private readonly uses = new Map<string, Use>();

  join(client: ClientImpl, name: string, listener: Listener): Promise<void> {
    const known = this.uses.get(name);
    if (known) {
      known.listeners.add(listener);
      return known.joined;
    }
    const listeners = new Set([listener]);
    const room = client.room(name);
    const off = room.on('*', (event: RoomEvent) => listeners.forEach((fn) => fn(event)));
    const joined = room.join().then(() => {});
    const leave = () => {
      off();
      return room.leave().catch(() => {});
    };
    const use = { listeners, joined, leave };
    this.uses.set(name, use);
    joined.catch(() => {
      if (this.uses.get(name) === use) this.uses.delete(name);
      off();
    });
    return joined;
  }

  leave(name: string, listener: Listener): Promise<void> {
    const use = this.uses.get(name);
    if (!use?.listeners.delete(listener) || use.listeners.size > 0) return Promise.resolve();
    this.uses.delete(name);
    return use.leave();
  }

  /** The session is over. */
  clear(): void {
    this.uses.clear();
  }
}
