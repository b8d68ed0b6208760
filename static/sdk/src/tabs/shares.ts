import type { Frame } from '../frame.js';

/** What one tab wants of the session that all share. `id` is that of the frame that the hub answers, where it is asked. */
export type ShareOp =
  | { op: 'come'; tab: string }
  | { op: 'gone'; tab: string }
  | { op: 'enter'; tab: string; room: string; id: string; presence: boolean; state?: unknown }
  | { op: 'exit'; tab: string; room: string; id: string }
  | { op: 'handle'; tab: string; type: string; on: boolean }
  | { op: 'attach'; tab: string; service: string }
  | { op: 'detach'; tab: string; service: string; id: string }
  | { op: 'allow'; transports: string[] }
  | { op: 'token'; token: string };

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
  services: Map<string, string[]>;
  requests: Map<string, string>;
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
      case 'detach':
        return this.isLast(this.table.services.get(op.service), op.tab)
          ? [{ type: 'hub:detach', data: { service: op.service }, id: op.id }]
          : [];
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
      case 'attach':
        add(table.services, op.service, op.tab);
        break;
      case 'detach':
        drop(table.services, op.service, op.tab, (tabs) => tabs);
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
    const { rooms, requests, handlers } = this.table;
    const { id, request } = frame;
    if (request !== undefined) {
      requests.set(request, (handlers.get(frame.type) ?? handlers.get('*'))?.[0] ?? leader);
      if (requests.size > REQUESTS_MAX) requests.delete(requests.keys().next().value!);
    }
    if (id === undefined || (frame.type !== 'hub:reply' && frame.type !== 'hub:error')) return null;
    for (const [room, shared] of rooms) {
      if (shared.joining !== id) continue;
      const good = frame.type === 'hub:reply';
      shared.joining = null;
      if (!good) rooms.delete(room);
      return { room, id, good };
    }
    return null;
  }

  /** A frame goes to the hub. */
  sent({ type, request }: Frame): void {
    if (type === 'hub:answer' && request !== undefined) this.table.requests.delete(request);
  }

  isIn(room: string, tab: string): boolean {
    return this.table.rooms.get(room)?.tabs.includes(tab) === true;
  }

  private planEnter(op: ShareOp & { op: 'enter' }, position: (room: string) => string | null): Frame[] {
    const { room, id, presence, state } = op;
    const shared = this.table.rooms.get(room);
    const data: Record<string, unknown> = presence ? { presence } : {};
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
    const { rooms, services, requests } = this.table;
    const frames: Frame[] = [];
    const error = { code: 'not_found', message: 'the tab that was to answer has closed' };
    for (const [request, of] of requests) if (of === tab) frames.push({ type: 'hub:answer', request, error });
    for (const [room, { tabs }] of rooms) if (this.isLast(tabs, tab)) frames.push({ type: 'hub:leave', room });
    for (const [service, tabs] of services) if (this.isLast(tabs, tab)) frames.push({ type: 'hub:detach', data: { service } });
    return frames;
  }

  private gone(tab: string): void {
    const { table } = this;
    table.tabs = table.tabs.filter((other) => other !== tab);
    table.heard.delete(tab);
    for (const room of [...table.rooms.keys()]) drop(table.rooms, room, tab, ({ tabs }) => tabs);
    for (const map of [table.handlers, table.services]) for (const key of [...map.keys()]) drop(map, key, tab, (tabs) => tabs);
    for (const [request, of] of [...table.requests]) if (of === tab) table.requests.delete(request);
  }

  private isLast(tabs: string[] | undefined, tab: string): boolean {
    return tabs?.length === 1 && tabs[0] === tab;
  }
}

export function emptyTable(): Table {
  return {
    tabs: [], heard: new Map(), rooms: new Map(), handlers: new Map(), services: new Map(), requests: new Map(), allowed: null, token: null,
  };
}

/** The join that makes a session watch presence in a room that it is in. */
function upgradeId(id: string): string {
  return `${id}+`;
}

function add(map: Map<string, string[]>, key: string, tab: string): void {
  const tabs = map.get(key) ?? [];
  if (!tabs.includes(tab)) map.set(key, [...tabs, tab]);
}

function drop<T>(map: Map<string, T>, key: string, tab: string, tabsOf: (value: T) => string[]): void {
  const value = map.get(key);
  if (value === undefined) return;
  const tabs = tabsOf(value);
  if (tabs.includes(tab)) tabs.splice(tabs.indexOf(tab), 1);
  if (tabs.length === 0) map.delete(key);
}
