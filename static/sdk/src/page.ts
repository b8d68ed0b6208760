/** What a page tells its client. Does nothing outside of browsers. */
export interface PageHooks {
  /** The page goes away for good. */
  leave(): void;
  /** The page is frozen, perhaps to come back. */
  freeze(): void;
  /** It came back. */
  thaw(): void;
  online(): void;
}

export function watchPage(hooks: PageHooks): () => void {
  if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return () => {};
  const hide = (event: PageTransitionEvent) => (event.persisted ? hooks.freeze() : hooks.leave());
  const show = (event: PageTransitionEvent) => {
    if (event.persisted) hooks.thaw();
  };
  const { online } = hooks;
  window.addEventListener('pagehide', hide);
  window.addEventListener('pageshow', show);
  window.addEventListener('online', online);
  return () => {
    window.removeEventListener('pagehide', hide);
    window.removeEventListener('pageshow', show);
    window.removeEventListener('online', online);
  };
}
