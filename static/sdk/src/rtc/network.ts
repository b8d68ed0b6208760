/** Tells of a network that is back, or another one. */
export function watchNetwork(changed: () => void): () => void {
  if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return () => {};
  window.addEventListener('online', changed);
  const { connection } = navigator as { connection?: EventTarget & { type?: string } };
  let kind = connection?.type;
  const other = () => {
    if (connection!.type !== kind) changed();
    kind = connection!.type;
  };
  connection?.addEventListener?.('change', other);
  return () => {
    window.removeEventListener('online', changed);
    connection?.removeEventListener?.('change', other);
  };
}
