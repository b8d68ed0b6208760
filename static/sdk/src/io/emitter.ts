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

interface Kept {
  fn: Listener;
  once: boolean;
}

/** Calls a listener; what it throws is the page's to see, and stops nobody else. */
export function call(fn: Listener, self: unknown, args: readonly unknown[]): void {
  try {
    fn.apply(self, args as unknown[]);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/** Events as `@socket.io/component-emitter` has them. */
export class Emitter<Listen extends EventsMap = DefaultEventsMap, Reserved extends EventsMap = {}> {
  private readonly kept = new Map<string, Kept[]>();

  on<E extends Names<Reserved> | Names<Listen>>(event: E, listener: E extends Names<Reserved> ? Reserved[E] : Listen[E]): this {
    return this.add(event, listener as Listener, false);
  }

  once<E extends Names<Reserved> | Names<Listen>>(event: E, listener: E extends Names<Reserved> ? Reserved[E] : Listen[E]): this {
    return this.add(event, listener as Listener, true);
  }

  /** Without a listener: all of the event; without an event: all. */
  off(event?: Names<Reserved> | Names<Listen>, listener?: Listener): this {
    if (event === undefined) {
      this.kept.clear();
    } else {
      const rest = listener ? [...(this.kept.get(event) ?? [])] : [];
      const at = rest.findIndex(({ fn }) => fn === listener);
      if (at >= 0) rest.splice(at, 1);
      if (rest.length > 0) this.kept.set(event, rest);
      else this.kept.delete(event);
    }
    return this;
  }

  listeners(event: Names<Reserved> | Names<Listen>): Listener[] {
    return (this.kept.get(event) ?? []).map(({ fn }) => fn);
  }

  hasListeners(event: Names<Reserved> | Names<Listen>): boolean {
    return this.kept.has(event);
  }

  addEventListener(event: string, listener: Listener): this {
    return this.add(event, listener, false);
  }

  addListener(event: string, listener: Listener): this {
    return this.add(event, listener, false);
  }

  removeListener(event?: string, listener?: Listener): this {
    return this.off(event as Names<Listen>, listener);
  }

  removeEventListener(event?: string, listener?: Listener): this {
    return this.off(event as Names<Listen>, listener);
  }

  removeAllListeners(event?: string): this {
    return this.off(event as Names<Listen>);
  }

  /** Tells the listeners there are now. */
  protected tell(event: string, ...args: unknown[]): void {
    for (const { fn, once } of this.kept.get(event) ?? []) {
      if (once) this.off(event as Names<Listen>, fn);
      call(fn, this, args);
    }
  }

  private add(event: string, fn: Listener, once: boolean): this {
    // A new list: who is being told now is told of the old one.
    this.kept.set(event, [...(this.kept.get(event) ?? []), { fn, once }]);
    return this;
  }
}

/** Listeners of all events. */
export class AnyListeners {
  private list: Listener[] = [];

  add(listener: Listener, first = false): void {
    this.list = first ? [listener, ...this.list] : [...this.list, listener];
  }

  remove(listener?: Listener): void {
    const at = listener ? this.list.indexOf(listener) : -1;
    if (!listener) this.list = [];
    else if (at >= 0) this.list = this.list.filter((_, index) => index !== at);
  }

  all(): Listener[] {
    return [...this.list];
  }

  tell(self: unknown, args: readonly unknown[]): void {
    for (const listener of this.list) call(listener, self, args);
  }
}
