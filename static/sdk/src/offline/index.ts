import { tooLarge } from '../check.js';
import type { Clock } from '../clock.js';
import type { Emitter } from '../emitter.js';
import type { Frame } from '../frame.js';
import type { Pending } from '../pending.js';
import type { Machine } from '../session/machine.js';
import type { ClientEvents, OfflineStore, Options } from '../types.js';
import { load } from '../parts.js';
import { Keeper } from './keeper.js';
import { boundsOf } from './kept.js';
import { Outbox } from './outbox.js';
import { statusOf } from './queue.js';

/** What an outbox needs of its client. */
export interface Host {
  pending: Pending;
  emitter: Emitter<ClientEvents>;
  machine: Machine;
  /** `false`: the machine takes none at the moment. */
  send(frame: Frame): boolean;
  bytesMax(): number;
  report(error: unknown): void;
}

/** The outbox that `options` describe, for the hub at `base`. */
export function openOutbox(base: string, options: Options, queueMax: number, clock: Clock, host: Host): Outbox {
  const { offline = {}, user = null } = options;
  const { pending, emitter, machine } = host;
  const bounds = boundsOf(offline, queueMax);
  const store = storeOf(offline.store ?? 'memory');
  const keeper =
    store &&
    new Keeper(store, `${base} ${offline.key ?? ''}`, bounds.maxAgeMs, clock, {
      take: (frames, owner) => outbox.take(frames, owner),
      failed: (error) => emitter.emit('error', error),
    });
  const outbox = new Outbox(clock, bounds, queueMax, keeper, user, {
    send: (frame) => host.send(frame),
    refuses: (bytes) => (bytes > host.bytesMax() ? tooLarge(bytes, host.bytesMax()) : null),
    waits: (id) => pending.has(id),
    fail: (id, error) => (id === undefined ? host.report(error) : pending.fail(id, error)),
    queued: (id) => pending.queued(id),
    restored: (id) => {
      const onStatus = statusOf(emitter, id);
      pending.add(id, { onStatus }).catch(() => {});
      onStatus('queued');
    },
    joined: (room) => machine.room(room) !== null,
    hasHistory: (room) => machine.room(room)?.history === true,
  }, options.rateLimited !== 'fail');
  void outbox.begin();
  return outbox;
}

function storeOf(store: 'memory' | 'indexeddb' | OfflineStore): Promise<OfflineStore> | OfflineStore | null {
  if (store === 'memory') return null;
  return store === 'indexeddb' ? load('store').then(({ IndexedDbStore }) => new IndexedDbStore()) : store;
}
