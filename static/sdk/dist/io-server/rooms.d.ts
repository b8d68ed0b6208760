/** Who is in which room, and who can't take part in its hub room and gets its events one by one. */
export declare class Rooms {
    readonly rooms: Map<string, Set<string>>;
    readonly sids: Map<string, Set<string>>;
    private readonly loose;
    /** `false`: it was there already. */
    add(sid: string, room: string): boolean;
    remove(sid: string, room: string): boolean;
    removeAll(sid: string): void;
    has(sid: string, room: string): boolean;
    /** Events of the room have to be sent to this one by itself. */
    loosen(sid: string, room: string): void;
    tighten(sid: string, room: string): void;
    looseIn(room: string): ReadonlySet<string>;
}
