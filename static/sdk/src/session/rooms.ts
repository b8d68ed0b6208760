import type { Frame } from '../frame.js';
import { formatPosition, parsePosition, type Position } from './position.js';
import { record, type Output } from './types.js';

type Data = Record<string, unknown>;

interface Room {
  /** How far the client has come; `null` in a room without history. */
  position: Position | null;
  /** Where the history that a join asked for ends, until its first event comes. */
  replay: Position | null;
  /** The life of the room's history that offsets count in; `null` until the newest join is answered. */
  epoch: string | null;
  /** The data of the application's join; repeated in a new session, with its own `since`. */
  options: Data;
  /** The newest join, until it is answered; `own`: the machine's, for a new session. */
  join: { id: string; own: boolean } | null;
}

/** The rooms a client wants to be in, and how far it has come in each. */
export class Rooms {
  private readonly rooms = new Map<string, Room>();

  /** The application sends a frame: joins and leaves are remembered. */
  sending({ type, room: name, id, data }: Frame): void {
    if (name === undefined) return;
    const known = this.rooms.get(name);
    if (type === 'hub:join' && id !== undefined) {
      const join = { id, own: false };
      this.rooms.set(name, { position: null, replay: null, epoch: null, options: { ...record(data) }, join });
    } else if (type === 'hub:leave') {
      this.rooms.delete(name);
    } else if (type === 'hub:state' && known) {
      known.options.state = data ?? null;
    }
  }

  /** A reply or error came with this id. `true`: it answers a join of the machine's own, and is dealt with. */
  answered(id: string, reply: Frame, out: Output[]): boolean {
    const found = [...this.rooms].find(([, { join }]) => join?.id === id);
    if (!found) return false;
    const [name, room] = found;
    const own = room.join?.own ?? false;
    room.join = null;
    if (reply.type === 'hub:error') {
      this.rooms.delete(name);
      const code = record(reply.data)?.code;
      if (own) out.push({ op: 'rejoin_failed', room: name, code: typeof code === 'string' ? code : 'internal' });
      return own;
    }
    const data = record(reply.data) ?? {};
    if (!own) {
      answerJoin(room, data);
      return false;
    }
    const gap = answerRejoin(room, data);
    if (gap) out.push({ op: 'event', frame: { type: 'hub:gap', room: name, data: gap } });
    out.push({ op: 'rejoined', room: name, data: reply.data ?? null });
    return true;
  }

  /** A frame is handed to the application: positions move on. */
  observe({ type, room: name, data, offset, id }: Frame): void {
    const room = name === undefined ? undefined : this.rooms.get(name);
    if (!room || room.epoch === null) return;
    let position: Position | null = null;
    if (type === 'hub:gap') position = parsePosition(record(data)?.position);
    else if (offset !== undefined && id !== undefined) position = { epoch: room.epoch, offset, id };
    if (!position) return;
    room.epoch = position.epoch;
    room.position = position;
    room.replay = null;
  }

  /** The joins for a new session, one per room that isn't being joined by the application anyway. */
  rejoin(awaits: (room: string) => boolean, nextId: () => string): Frame[] {
    const sorted = [...this.rooms].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted
      .filter(([name]) => !awaits(name))
      .map(([name, room]) => {
        const { history: _, since: __, ...data } = room.options;
        const since = room.position ?? room.replay;
        if (since) data.since = formatPosition(since);
        const id = nextId();
        room.join = { id, own: true };
        return { type: 'hub:join', room: name, id, data };
      });
  }

  /** Whether this id is of a join of the machine's own. */
  isOwn(id: string): boolean {
    return [...this.rooms.values()].some(({ join }) => join?.own === true && join.id === id);
  }

  position(name: string): string | null {
    const position = this.rooms.get(name)?.position;
    return position ? formatPosition(position) : null;
  }
}

/** The application's join was answered. What it asked for follows, and carries the position on. */
function answerJoin(room: Room, data: Data): void {
  const position = parsePosition(data.position);
  const { since, history } = room.options;
  room.epoch = position?.epoch ?? null;
  if (since !== undefined && data.recovered !== undefined) room.position = parsePosition(since);
  else if (history !== undefined && position && position.offset > 0) room.replay = position;
  else room.position = position;
}

/** The machine's own join was answered. Returns the gap to announce where the hub couldn't know of it. */
function answerRejoin(room: Room, data: Data): Data | null {
  const position = parsePosition(data.position);
  const { replay } = room;
  room.epoch = position?.epoch ?? null;
  room.replay = null;
  // The hub says what it can't recover.
  if (data.recovered === false) return null;
  if (data.recovered === true) {
    if (!replay) return null;
    // The history that the last join asked for got lost with its session; what came after it did not.
    room.position = replay;
  } else {
    // A room without history can't say what was missed between two sessions.
    room.position = position;
  }
  const reason = 'new_session';
  return room.position ? { position: formatPosition(room.position), reason } : { reason };
}
