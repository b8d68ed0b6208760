import type { Namespace } from './namespace.js';
import type { Socket } from './socket.js';

/** Who is meant, and how. */
export interface Target {
  rooms: ReadonlySet<string>;
  except: ReadonlySet<string>;
  volatile: boolean;
  timeoutMs: number | undefined;
  /** Whose broadcast it is: it is from them, and they don't get it. */
  self: Socket | undefined;
}

export type RoomNames = string | string[];

/** Stands for a name that no room can have: `to(undefined)` reaches nobody. */
export const NOBODY = '\u0000';

export function namesOf(rooms: RoomNames): string[] {
  return [rooms].flat().map((room) => (room == null || room === '' ? NOBODY : String(room)));
}

/** Chooses sockets, then emits to them. Each choice makes a new one, as in socket.io. */
export class BroadcastOperator {
  constructor(
    private readonly nsp: Namespace,
    private readonly target: Target,
  ) {}

  to(room: RoomNames): BroadcastOperator {
    return this.with({ rooms: new Set([...this.target.rooms, ...namesOf(room)]) });
  }

  in(room: RoomNames): BroadcastOperator {
    return this.to(room);
  }

  except(room: RoomNames): BroadcastOperator {
    return this.with({ except: new Set([...this.target.except, ...namesOf(room)]) });
  }

  get volatile(): BroadcastOperator {
    return this.with({ volatile: true });
  }

  /** All are local: the hub's rooms are one. */
  get local(): BroadcastOperator {
    return this;
  }

  compress(_compress: boolean): BroadcastOperator {
    return this;
  }

  timeout(ms: number): BroadcastOperator {
    return this.with({ timeoutMs: ms });
  }

  /** With a callback as the last argument, `(error, answers)`, all must acknowledge. */
  emit(event: string, ...args: any[]): boolean {
    const ack = typeof args[args.length - 1] === 'function' ? args.pop() : undefined;
    if (!ack) {
      this.nsp.broadcast(this.target, event, args);
    } else {
      this.emitWithAck(event, ...args).then(
        (answers) => ack(null, answers),
        (error: Error & { answers?: unknown[] }) => ack(error, error.answers ?? []),
      );
    }
    return true;
  }

  /** Resolves with the first argument of each acknowledgement; rejects if some don't come in time. */
  async emitWithAck(event: string, ...args: any[]): Promise<any[]> {
    const { timeoutMs } = this.target;
    const asked = this.nsp.chosen(this.target).map((socket) => {
      const asking = timeoutMs === undefined ? socket : socket.timeout(timeoutMs);
      return asking.emitWithAck(event, ...args);
    });
    const settled = await Promise.allSettled(asked);
    const answers = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (answers.length === settled.length) return answers;
    throw Object.assign(new Error('operation has timed out'), { answers });
  }

  async fetchSockets(): Promise<Socket[]> {
    return this.nsp.chosen(this.target);
  }

  async allSockets(): Promise<Set<string>> {
    return new Set(this.nsp.chosen(this.target).map(({ id }) => id));
  }

  socketsJoin(room: RoomNames): void {
    for (const socket of this.nsp.chosen(this.target)) void socket.join(room);
  }

  socketsLeave(room: RoomNames): void {
    for (const socket of this.nsp.chosen(this.target)) for (const name of namesOf(room)) void socket.leave(name);
  }

  disconnectSockets(close = false): void {
    for (const socket of this.nsp.chosen(this.target)) socket.disconnect(close);
  }

  private with(change: Partial<Target>): BroadcastOperator {
    return new BroadcastOperator(this.nsp, { ...this.target, ...change });
  }
}
