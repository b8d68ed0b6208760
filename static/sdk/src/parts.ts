import { systemClock } from './clock.js';
import { CrosspointError } from './codes.js';

/** A file that takes longer is done without (ms). */
const PATIENCE_MS = 15_000;

/** What few pages need. In dist each of these is a file of its own beside the SDK's, fetched when it is wanted (see build.mjs). */
const LOADERS = {
  bulk: () => import('./bulk/bulk.js'),
  calls: () => import('./rtc/calls/part.js'),
  rtc: () => import('./rtc/index.js'),
  store: () => import('./offline/indexeddb.js'),
  tabs: () => import('./tabs/part.js'),
};

type Parts = typeof LOADERS;
export type PartName = keyof Parts;
export type Part<N extends PartName> = Awaited<ReturnType<Parts[N]>>;

const loading = new Map<PartName, Promise<unknown>>();

/** Loads a part of the SDK, once. Rejects with `unavailable` or `timeout` if it can't be had; the next call tries again. */
export function load<N extends PartName>(name: N): Promise<Part<N>> {
  let part = loading.get(name) as Promise<Part<N>> | undefined;
  if (!part) {
    part = inTime(name, (LOADERS[name] as () => Promise<Part<N>>)());
    loading.set(name, part);
    part.catch(() => loading.delete(name));
  }
  return part;
}

function inTime<T>(name: PartName, part: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (code: string, why: unknown) => reject(new CrosspointError(code, `crosspoint-${name}.js could not be loaded: ${why}`));
    const cancel = systemClock.after(PATIENCE_MS, () => failed('timeout', 'no answer'));
    part.then(resolve, (error: unknown) => failed('unavailable', error)).finally(cancel);
  });
}
