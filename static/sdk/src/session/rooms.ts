import type { Frame } from '../frame.js';
import { formatPosition, parsePosition, type Position } from './position.js';
import { record, type Output } from './types.js';

interface Room {
  position: Position | null;
  /** The data of the application's join; repeated with `since` in a new session. */
  options: Record<string, unknown>;
  /** The id under which it is being joined again. */
  rejoin: string | null;
}

/** The rooms a client wants to be in, and how far it has come in each. */
export class Rooms {
  private readonly rooms = new Map<string, Room>();

  /** The application sends a frame: joins and leaves are remembered. */
  sending(frame: Frame): void {
    if (frame.room === undefined) return;
    const known = this.rooms.get(frame.room);
    if (frame.type === 'hub:join') {
      const options = { ...record(frame.data) };
      this.rooms.set(frame.room, { position: known?.position ?? null, options, rejoin: null });
    } else if (frame.type === 'hub:leave') {
      this.rooms.delete(frame.room);
    } else if (frame.type === 'hub:state' && known) {
      known.options.state = frame.data ?? null;
    }
  }

  /** A reply came to the frame `asked`. `true`: it answers a join of the machine's own, and is dealt with. */
  answered(id: string, asked: Frame | null, reply: Frame, out: Output[]): boolean {
    const own = this.sorted().find(([, room]) => room.rejoin === id)?.[0];
    const name = own ?? (asked?.type === 'hub:join' ? asked.room : undefined);
    if (name === undefined) return false;
    if (reply.type === 'hub:error') {
      const code = record(reply.data)?.code;
      this.rooms.delete(name);
      if (own !== undefined) out.push({ op: 'rejoin_failed', room: name, code: typeof code === 'string' ? code : 'internal' });
      return own !== undefined;
    }
    const data = reply.data ?? null;
    const position = parsePosition(record(data)?.position);
    const room = this.rooms.get(name);
    if (!room) return own !== undefined;
    room.rejoin = null;
    if (own !== undefined && !position) {
      // A room without history can't say what was missed between two sessions.
      out.push({ op: 'event', frame: { type: 'hub:gap', room: name, data: { reason: 'new_session' } } });
    }
    if (position) {
      // Recovered events follow and carry it forward; a gap says where to go on.
      const old = room.position;
      if (!old || old.epoch !== position.epoch || old.offset > position.offset) room.position = position;
    }
    if (own !== undefined) out.push({ op: 'rejoined', room: name, data });
    return own !== undefined;
  }

  /** A frame is handed to the application: positions move on. */
  observe(frame: Frame): void {
    const room = frame.room === undefined ? undefined : this.rooms.get(frame.room);
    if (!room) return;
    if (frame.type === 'hub:gap') {
      room.position = parsePosition(record(frame.data)?.position) ?? room.position;
    } else if (room.position && frame.offset !== undefined && frame.id !== undefined) {
      room.position = { epoch: room.position.epoch, offset: frame.offset, id: frame.id };
    }
  }

  /** The joins for a new session, one per room that isn't being joined by the application anyway. */
  rejoin(awaits: (room: string) => boolean, nextId: () => string): Frame[] {
    const joins: Frame[] = [];
    for (const [name, room] of this.sorted()) {
      if (awaits(name)) continue;
      const { history: _, since: __, ...data } = room.options;
      if (room.position) data.since = formatPosition(room.position);
      room.rejoin = nextId();
      joins.push({ type: 'hub:join', room: name, id: room.rejoin, data });
    }
    return joins;
  }

  /** Whether this id is of a join of the machine's own. */
  isOwn(id: string): boolean {
    return [...this.rooms.values()].some((room) => room.rejoin === id);
  }

  position(name: string): string | null {
    const position = this.rooms.get(name)?.position;
    return position ? formatPosition(position) : null;
  }

  private sorted(): [string, Room][] {
    return [...this.rooms].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
