import type { CallOptions, Pending } from '../pending.js';
import type { Emitter } from '../emitter.js';
import type { ClientEvents, Queue, QueuedFrame } from '../types.js';
import type { Outbox } from './outbox.js';

/** What the application sees of its outbox. */
export function queueOf(outbox: Outbox, pending: Pending): Queue {
  return {
    get size() {
      return outbox.mine().length;
    },
    list: () =>
      outbox.mine().map(({ id, frame: { type, room, to, data = null }, since }) => {
        const queued: QueuedFrame = { id, type, data, status: pending.statusOf(id) ?? 'queued', since };
        if (room !== undefined) queued.room = room;
        if (to !== undefined) queued.to = to;
        return queued;
      }),
    cancel: (id) => outbox.cancel(id),
    clear: () => outbox.mine().forEach(({ id }) => outbox.cancel(id)),
    saved: () => outbox.saved(),
  };
}

/** Tells the application of a frame's way. */
export function statusOf(emitter: Emitter<ClientEvents>, id: string): NonNullable<CallOptions['onStatus']> {
  return (status, error) => emitter.emit('status', error ? { id, status, error } : { id, status });
}
