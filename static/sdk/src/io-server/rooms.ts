/** Who is in which room, and who can't take part in its hub room and gets its events one by one. */
export class Rooms {
  readonly rooms = new Map<string, Set<string>>();
  readonly sids = new Map<string, Set<string>>();
  private readonly loose = new Map<string, Set<string>>();

  /** `false`: it was there already. */
  add(sid: string, room: string): boolean {
    const rooms = at(this.sids, sid);
    if (rooms.has(room)) return false;
    rooms.add(room);
    at(this.rooms, room).add(sid);
    return true;
  }

  remove(sid: string, room: string): boolean {
    this.tighten(sid, room);
    const was = take(this.sids, sid, room);
    take(this.rooms, room, sid);
    return was;
  }

  removeAll(sid: string): void {
    for (const room of [...(this.sids.get(sid) ?? [])]) this.remove(sid, room);
    for (const room of [...this.loose.keys()]) this.tighten(sid, room);
  }

  has(sid: string, room: string): boolean {
    return this.sids.get(sid)?.has(room) ?? false;
  }

  /** Events of the room have to be sent to this one by itself. */
  loosen(sid: string, room: string): void {
    at(this.loose, room).add(sid);
  }

  tighten(sid: string, room: string): void {
    take(this.loose, room, sid);
  }

  looseIn(room: string): ReadonlySet<string> {
    return this.loose.get(room) ?? new Set();
  }
}

function at(map: Map<string, Set<string>>, key: string): Set<string> {
  let set = map.get(key);
  if (!set) map.set(key, (set = new Set()));
  return set;
}

function take(map: Map<string, Set<string>>, key: string, value: string): boolean {
  const set = map.get(key);
  const was = set?.delete(value) ?? false;
  if (set?.size === 0) map.delete(key);
  return was;
}
