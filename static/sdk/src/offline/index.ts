import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import type { OfflineStore, Options } from '../types.js';
import { IndexedDbStore } from './indexeddb.js';
import { Keeper } from './keeper.js';
import { boundsOf } from './kept.js';
import { Outbox, type OutboxHooks } from './outbox.js';

/** The outbox that `options` describe, for the hub at `base`. */
export function openOutbox(
  base: string,
  options: Options,
  queueMax: number,
  clock: Clock,
  hooks: OutboxHooks & { storeFailed(error: CrosspointError): void },
): Outbox {
  const { offline = {}, user = null } = options;
  const bounds = boundsOf(offline, queueMax);
  const store = storeOf(offline.store ?? 'memory');
  const keeper =
    store &&
    new Keeper(store, `${base} ${offline.key ?? ''}`, bounds.maxAgeMs, clock, {
      take: (frames, owner) => outbox.take(frames, owner),
      failed: hooks.storeFailed,
    });
  const outbox = new Outbox(clock, bounds, queueMax, keeper, user, hooks);
  void outbox.begin();
  return outbox;
}

function storeOf(store: 'memory' | 'indexeddb' | OfflineStore): OfflineStore | null {
  if (store === 'memory') return null;
  return store === 'indexeddb' ? new IndexedDbStore() : store;
}
