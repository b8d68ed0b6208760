/** What a page tells its client. Does nothing outside of browsers. */
export interface PageHooks {
  /** The page goes away for good. */
  leave(): void;
  /** The page is put away, perhaps to come back. */
  freeze(): void;
  /** It came back. */
  thaw(): void;
  /** It was frozen or hidden, and is no more: timers may be late, and links dead. */
  wake(): void;
  hidden(hidden: boolean): void;
  /** What the browser thinks of the network; it may be wrong. */
  online(online: boolean): void;
  /** The connection is not what it was; `another`: it is of another kind. */
  changed(another: boolean): void;
}

type Target = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;

const targetOf = (value: unknown): Target | undefined =>
  typeof (value as Target | undefined)?.addEventListener === 'function' ? (value as Target) : undefined;

export function watchPage(hooks: PageHooks): () => void {
  const page = targetOf(typeof window === 'undefined' ? undefined : window);
  if (!page) return () => {};
  const doc = targetOf(typeof document === 'undefined' ? undefined : document);
  const connection = typeof navigator === 'undefined' ? undefined : (navigator as { connection?: { type?: string } }).connection;
  let kind = connection?.type;
  const undo: (() => void)[] = [];
  const on = (target: Target | undefined, type: string, fn: (event: any) => void) => {
    target?.addEventListener(type, fn);
    undo.push(() => target?.removeEventListener(type, fn));
  };
  on(page, 'pagehide', ({ persisted }: PageTransitionEvent) => (persisted ? hooks.freeze() : hooks.leave()));
  on(page, 'pageshow', ({ persisted }: PageTransitionEvent) => persisted && hooks.thaw());
  on(page, 'online', () => hooks.online(true));
  on(page, 'offline', () => hooks.online(false));
  on(doc, 'resume', () => hooks.wake());
  on(doc, 'visibilitychange', () => {
    hooks.hidden(document.hidden);
    if (!document.hidden) hooks.wake();
  });
  // It also fires when the browser's guess of the bandwidth changes.
  on(targetOf(connection), 'change', () => {
    const another = connection?.type !== kind;
    kind = connection?.type;
    hooks.changed(another);
  });
  return () => undo.forEach((fn) => fn());
}

/** What is known before anything has happened. */
export function pageNow(): { hidden: boolean; offline: boolean } {
  return {
    hidden: typeof document !== 'undefined' && document.hidden === true,
    offline: typeof navigator !== 'undefined' && navigator.onLine === false,
  };
}
