type Fn<T> = (value: T) => void;

/** Calls a handler; what it throws goes to `report` and disturbs nobody else. */
export function guarded<T>(fn: Fn<T>, value: T, report: (error: unknown) => void): void {
  try {
    const result = fn(value) as unknown;
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

/** Typed events. Handlers may add and remove handlers while an event is delivered: those removed aren't called any more,
 * those added see the next event. */
export class Emitter<Events> {
  private readonly handlers = new Map<keyof Events, Set<Fn<never>>>();

  constructor(private readonly report: (error: unknown) => void) {}

  on<K extends keyof Events>(event: K, fn: Fn<Events[K]>): () => void {
    let set = this.handlers.get(event);
    if (!set) this.handlers.set(event, (set = new Set()));
    set.add(fn);
    return () => this.off(event, fn);
  }

  once<K extends keyof Events>(event: K, fn: Fn<Events[K]>): () => void {
    const off = this.on(event, (value) => {
      off();
      fn(value);
    });
    return off;
  }

  off<K extends keyof Events>(event: K, fn: Fn<Events[K]>): void {
    const set = this.handlers.get(event);
    if (set?.delete(fn) && set.size === 0) this.handlers.delete(event);
  }

  has(event: keyof Events): boolean {
    return this.handlers.has(event);
  }

  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    const set = this.handlers.get(event);
    if (!set) return;
    for (const fn of [...set] as Fn<Events[K]>[]) {
      if (set.has(fn as Fn<never>)) guarded(fn, value, this.report);
    }
  }
}
