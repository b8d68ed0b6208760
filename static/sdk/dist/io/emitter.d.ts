/** Names of events, and what their listeners are called with. */
export interface EventsMap {
    [event: string]: any;
}
export interface DefaultEventsMap {
    [event: string]: (...args: any[]) => void;
}
export type Names<Map> = keyof Map & string;
export type Args<Map, Name extends keyof Map> = Map[Name] extends (...args: infer A) => any ? A : any[];
export type Listener = (...args: any[]) => void;
/** Calls a listener; what it throws is the page's to see, and stops nobody else. */
export declare function call(fn: Listener, self: unknown, args: readonly unknown[]): void;
/** Events as `@socket.io/component-emitter` has them. */
export declare class Emitter<Listen extends EventsMap = DefaultEventsMap, Reserved extends EventsMap = {}> {
    private readonly kept;
    on<E extends Names<Reserved> | Names<Listen>>(event: E, listener: E extends Names<Reserved> ? Reserved[E] : Listen[E]): this;
    once<E extends Names<Reserved> | Names<Listen>>(event: E, listener: E extends Names<Reserved> ? Reserved[E] : Listen[E]): this;
    /** Without a listener: all of the event; without an event: all. */
    off(event?: Names<Reserved> | Names<Listen>, listener?: Listener): this;
    listeners(event: Names<Reserved> | Names<Listen>): Listener[];
    hasListeners(event: Names<Reserved> | Names<Listen>): boolean;
    addEventListener(event: string, listener: Listener): this;
    addListener(event: string, listener: Listener): this;
    removeListener(event?: string, listener?: Listener): this;
    removeEventListener(event?: string, listener?: Listener): this;
    removeAllListeners(event?: string): this;
    /** Tells the listeners there are now. */
    protected tell(event: string, ...args: unknown[]): void;
    private add;
}
/** Listeners of all events. */
export declare class AnyListeners {
    private list;
    add(listener: Listener, first?: boolean): void;
    remove(listener?: Listener): void;
    all(): Listener[];
    tell(self: unknown, args: readonly unknown[]): void;
}
