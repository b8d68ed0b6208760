import type { Frame } from '../frame.js';
import { knownMs } from '../offline/kept.js';
import { record } from '../session/types.js';

/** What one tab wants of the session that all share. `id` is that of the frame that the hub answers, where it is asked. */
export type ShareOp =
  | { op: 'come'; tab: string }
  | { op: 'gone'; tab: string }
  | { op: 'enter'; tab: string; room: string; id: string; presence: boolean; state?: unknown; token?: string }
  | { op: 'exit'; tab: string; room: string; id: string }
  | { op: 'handle'; tab: string; type: string; on: boolean }
  /** A service that it acts for, or a session that it watches. */
  | { op: 'hold'; tab: string; what: Held }
  | { op: 'drop'; tab: string; what: Held; id: string }
  | { op: 'allow'; transports: string[] }
  | { op: 'token'; token: string };

export type Held = `service ${string}` | `session ${string}`;

interface SharedRoom {
  tabs: string[];
  /** The join that is under way. */
  joining: string | null;
  /** The session watches the room's presence. */
  presence: boolean;
}

/** As it is told to tabs that come. */
export interface Table {
  tabs: string[];
  heard: Map<string, number>;
  rooms: Map<string, SharedRoom>;
  handlers: Map<string, string[]>;
  held: Map<Held, string[]>;
  /** Which tab is the session's peer in a room. */
  peers: Map<string, string>;
  requests: Map<string, string>;
  /** When publishes and messages to users, by their ids, were given to the session. */
  given: Map<string, number>;
  allowed: string[] | null;
  token: string | null;
}

/** Requests that nobody answered are forgotten beyond so many. */
const REQUESTS_MAX = 4_096;

/** Which tab uses what of the session. Every tab has the same table, since all apply the same operations in the same order. */
export class Shares {
  table: Table = emptyTable();

  /** What the hub has to be told for an operation that is about to be applied. */
  plan(op: ShareOp, position: (room: string) => string | null): Frame[] {
    switch (op.op) {
      case 'enter':
        return this.planEnter(op, position);
      case 'exit':
        return this.isLast(this.table.rooms.get(op.room)?.tabs, op.tab) ? [{ type: 'hub:leave', room: op.room, id: op.id }] : [];
      case 'drop':
        return this.isLast(this.table.held.get(op.what), op.tab) ? [{ ...release(op.what), id: op.id }] : [];
      case 'gone':
        return this.planGone(op.tab);
      default:
        return [];
    }
  }

  apply(op: ShareOp): void {
    const { table } = this;
    switch (op.op) {
      case 'come':
        if (!table.tabs.includes(op.tab)) table.tabs.push(op.tab);
        table.heard.set(op.tab, table.heard.get(op.tab) ?? 0);
        break;
      case 'gone':
        this.gone(op.tab);
        break;
      case 'enter':
        this.enter(op);
        break;
      case 'exit':
        drop(table.rooms, op.room, op.tab, ({ tabs }) => tabs);
        break;
      case 'handle':
        if (op.on) add(table.handlers, op.type, op.tab);
        else drop(table.handlers, op.type, op.tab, (tabs) => tabs);
        break;
      case 'hold':
        add(table.held, op.what, op.tab);
        break;
      case 'drop':
        drop(table.held, op.what, op.tab, (tabs) => tabs);
        break;
      case 'allow':
        table.allowed = op.transports;
        break;
      case 'token':
        table.token = op.token;
    }
  }

  /** A frame came from the hub. Returns the room whose join it answers. */
  observe(frame: Frame, leader: string): { room: string; id: string; good: boolean } | null {
    const { rooms, requests, handlers, given } = this.table;
    const { id, request } = frame;
    if (request !== undefined) {
      requests.set(request, handlers.get(frame.type)?.[0] ?? leader);
      if (requests.size > REQUESTS_MAX) requests.delete(requests.keys().next().value!);
    }
    if (frame.room !== undefined) this.moved(frame.room, frame);
    if (id === undefined || (frame.type !== 'hub:reply' && frame.type !== 'hub:error')) return null;
    given.delete(id);
    for (const [room, shared] of rooms) {
      if (shared.joining !== id) continue;
      const good = frame.type === 'hub:reply';
      shared.joining = null;
      if (!good) rooms.delete(room);
      return { room, id, good };
    }
    return null;
  }

  /** The hub takes the session out of a room, or puts it into one. A join that is under way has the last word. */
  private moved(room: string, { type, data }: Frame): void {
    const { tabs, rooms } = this.table;
    const known = rooms.get(room);
    const presence = record(data)?.members !== undefined || known?.presence === true;
    if (type === 'hub:removed' && known?.joining === null) rooms.delete(room);
    else if (type === 'hub:added') rooms.set(room, { tabs: [...tabs], joining: known?.joining ?? null, presence });
  }

  /** A new session acts for no service, and watches nobody. */
  renewed(): void {
    this.table.held.clear();
    this.table.peers.clear();
  }

  /** The session takes a frame. */
  given(now: number, { id, room, to, type }: Frame): void {
    const once = room !== undefined ? !type.startsWith('hub:') : to?.startsWith('user:');
    if (id !== undefined && once && !this.table.given.has(id)) this.table.given.set(id, now);
  }

  /** A tab goes onto a room's roster of peers, or off it. */
  peered(tab: string, { type, room, data }: Frame): void {
    if (type !== 'hub:peers' || room === undefined) return;
    if (record(data)?.leave === true) this.table.peers.delete(room);
    else this.table.peers.set(room, tab);
  }

  /** Whether the hub surely knows by a frame's id if it has got it before. What it may not know is forgotten. */
  mayRepeat(now: number, frame: Frame, history: boolean): boolean {
    const given = this.table.given.get(frame.id ?? '');
    if (given === undefined || now - given <= knownMs(frame, history)) return true;
    this.table.given.delete(frame.id!);
    return false;
  }

  /** A frame goes to the hub. */
  sent({ type, request }: Frame): void {
    if (type === 'hub:answer' && request !== undefined) this.table.requests.delete(request);
  }

  isIn(room: string, tab: string): boolean {
    return this.table.rooms.get(room)?.tabs.includes(tab) === true;
  }

  private planEnter(op: ShareOp & { op: 'enter' }, position: (room: string) => string | null): Frame[] {
    const { room, id, presence, state, token } = op;
    const shared = this.table.rooms.get(room);
    const data: Record<string, unknown> = { ...(presence && { presence }), ...(token !== undefined && { token }) };
    if (!shared) {
      if (state !== undefined) data.state = state;
      return [{ type: 'hub:join', room, id, data }];
    }
    if (!presence || shared.presence) return [];
    const since = position(room);
    if (since !== null) data.since = since;
    return [{ type: 'hub:join', room, id: upgradeId(id), data }];
  }

  private enter({ tab, room, id, presence }: ShareOp & { op: 'enter' }): void {
    const { rooms } = this.table;
    const shared = rooms.get(room);
    if (!shared) {
      rooms.set(room, { tabs: [tab], joining: id, presence });
      return;
    }
    if (!shared.tabs.includes(tab)) shared.tabs.push(tab);
    if (!presence || shared.presence) return;
    shared.presence = true;
    shared.joining = upgradeId(id);
  }

  private planGone(tab: string): Frame[] {
    const { rooms, held, requests, peers } = this.table;
    const frames: Frame[] = [];
    const error = { code: 'not_found', message: 'the tab that was to answer has closed' };
    for (const [request, of] of requests) if (of === tab) frames.push({ type: 'hub:answer', request, error });
    for (const [room, { tabs }] of rooms) if (this.isLast(tabs, tab)) frames.push({ type: 'hub:leave', room });
    for (const [room, of] of peers) if (of === tab && rooms.get(room)?.tabs.some((other) => other !== tab)) frames.push({ type: 'hub:peers', room, data: { leave: true } });
    for (const [what, tabs] of held) if (this.isLast(tabs, tab)) frames.push(release(what));
    return frames;
  }

  private gone(tab: string): void {
    const { table } = this;
    table.tabs = table.tabs.filter((other) => other !== tab);
    table.heard.delete(tab);
    for (const room of [...table.rooms.keys()]) drop(table.rooms, room, tab, ({ tabs }) => tabs);
    for (const type of [...table.handlers.keys()]) drop(table.handlers, type, tab, (tabs) => tabs);
    for (const what of [...table.held.keys()]) drop(table.held, what, tab, (tabs) => tabs);
    for (const [room, of] of [...table.peers]) if (of === tab) table.peers.delete(room);
    for (const [request, of] of [...table.requests]) if (of === tab) table.requests.delete(request);
  }

  private isLast(tabs: string[] | undefined, tab: string): boolean {
    return tabs?.length === 1 && tabs[0] === tab;
  }
}

export function emptyTable(): Table {
  return {
    tabs: [], heard: new Map(), rooms: new Map(), handlers: new Map(), held: new Map(), peers: new Map(), requests: new Map(), given: new Map(), allowed: null, token: null,
  };
}

/** The join that makes a session watch presence in a room that it is in. */
function upgradeId(id: string): string {
  return `${id}+`;
}

function release(what: Held): Frame {
  const name = what.slice(what.indexOf(' ') + 1);
  return what.startsWith('service ') ? { type: 'hub:detach', data: { service: name } } : { type: 'hub:unwatch', data: { session: name } };
}

function add<K>(map: Map<K, string[]>, key: K, tab: string): void {
  const tabs = map.get(key) ?? [];
  if (!tabs.includes(tab)) map.set(key, [...tabs, tab]);
}

function drop<K, T>(map: Map<K, T>, key: K, tab: string, tabsOf: (value: T) => string[]): void {
  const value = map.get(key);
  if (value === undefined) return;
  const tabs = tabsOf(value);
  if (tabs.includes(tab)) tabs.splice(tabs.indexOf(tab), 1);
  if (tabs.length === 0) map.delete(key);
}
