import type { Frame } from '../frame.js';
import { formatPosition, parsePosition, type Position } from './position.js';
import { record, type Output } from './types.js';

type Data = Record<string, unknown>;

interface Room {
  /** How far the client has come; `null` in a room without history. */
  position: Position | null;
  /** Where the history that the join asked for ends, until its first event comes. */
  replay: Position | null;
  /** The life of the room's history that offsets count in. */
  epoch: string | null;
  /** The data of the application's join; repeated in a new session, with its own `since`. */
  options: Data;
  /** The id under which it is being joined again. */
  rejoin: string | null;
  /** The session was taken out of it: a new one stays out, and only the position is of use. */
  gone: boolean;
}

/** The rooms a client is in, as far as the hub's replies say, and how far it has come in each. */
export class Rooms {
  private readonly rooms = new Map<string, Room>();

  /** Whether the reply to such a frame changes what is known here, so that it has to have an id. */
  static wantsReply({ type }: Frame): boolean {
    return type === 'hub:join' || type === 'hub:leave' || type === 'hub:state';
  }

  /** A reply came to the frame `asked`. `true`: it answers a join of the machine's own, and is dealt with. */
  answered(id: string, asked: Frame | null, reply: Frame, out: Output[]): boolean {
    const own = [...this.rooms].find(([, { rejoin }]) => rejoin === id);
    if (own) {
      this.rejoined(...own, reply, out);
      return true;
    }
    const name = asked?.room;
    if (!asked || name === undefined) return false;
    const good = reply.type === 'hub:reply';
    if (asked.type === 'hub:join' && good) {
      this.enter(name, { ...record(asked.data) }, record(reply.data) ?? {});
    } else if (asked.type === 'hub:state' && good) {
      const room = this.rooms.get(name);
      if (room) room.options.state = asked.data ?? null;
    } else if (asked.type === 'hub:join' || asked.type === 'hub:leave') {
      this.rooms.delete(name);
    }
    return false;
  }

  /** A frame is handed to the application: positions move on. */
  observe({ type, room: name, data, offset, id }: Frame): void {
    if (name === undefined) return;
    const room = this.rooms.get(name);
    if (type === 'hub:added') return this.added(name, room, record(data) ?? {});
    if (room && type === 'hub:removed') room.gone = true;
    if (!room || room.epoch === null) return;
    let position: Position | null = null;
    if (type === 'hub:gap') position = parsePosition(record(data)?.position);
    else if (offset !== undefined && id !== undefined) position = { epoch: room.epoch, offset, id };
    if (!position) return;
    room.epoch = position.epoch;
    room.position = position;
    room.replay = null;
  }

  /** The joins for a new session: they restore what the last one's replies had said. */
  rejoin(nextId: () => string): Frame[] {
    const sorted = [...this.rooms].filter(([, { gone }]) => !gone).sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([name, room]) => {
      const { history: _, since: __, ...data } = room.options;
      const since = room.position ?? room.replay;
      if (since) data.since = formatPosition(since);
      room.rejoin = nextId();
      return { type: 'hub:join', room: name, id: room.rejoin, data };
    });
  }

  room(name: string): { history: boolean } | null {
    const room = this.rooms.get(name);
    return room && !room.gone ? { history: room.epoch !== null } : null;
  }

  position(name: string): string | null {
    const position = this.rooms.get(name)?.position;
    return position ? formatPosition(position) : null;
  }

  private enter(name: string, options: Data, data: Data): void {
    const room: Room = { position: null, replay: null, epoch: null, options, rejoin: null, gone: false };
    answerJoin(room, data);
    this.rooms.set(name, room);
  }

  /** A backend put the session there, which stays as it wanted to be. */
  private added(name: string, room: Room | undefined, data: Data): void {
    const { history: _, since: __, ...options } = room?.options ?? {};
    this.enter(name, data.members === undefined ? options : { ...options, presence: true }, data);
  }

  private rejoined(name: string, room: Room, reply: Frame, out: Output[]): void {
    if (reply.type === 'hub:error') {
      room.rejoin = null;
      room.gone = true;
      const code = record(reply.data)?.code;
      out.push({ op: 'rejoin_failed', room: name, code: typeof code === 'string' ? code : 'internal' });
      return;
    }
    const gap = answerRejoin(room, record(reply.data) ?? {});
    if (gap) out.push({ op: 'event', frame: { type: 'hub:gap', room: name, data: gap } });
    out.push({ op: 'rejoined', room: name, data: reply.data ?? null });
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
  room.rejoin = null;
  room.gone = false;
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
