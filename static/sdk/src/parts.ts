import { CrosspointError } from './codes.js';

/** What few pages need. In dist each of these is a file of its own beside the SDK's, fetched when it is wanted (see build.mjs). */
const LOADERS = {
  store: () => import('./offline/indexeddb.js'),
};

type Parts = typeof LOADERS;
export type PartName = keyof Parts;
export type Part<N extends PartName> = Awaited<ReturnType<Parts[N]>>;

const loading = new Map<PartName, Promise<unknown>>();

/** Loads a part of the SDK, once. Rejects with `unavailable` if it can't be had; the next call tries again. */
export function load<N extends PartName>(name: N): Promise<Part<N>> {
  let part = loading.get(name) as Promise<Part<N>> | undefined;
  if (!part) {
    part = (LOADERS[name] as () => Promise<Part<N>>)().catch((error: unknown) => {
      loading.delete(name);
      throw new CrosspointError('unavailable', `crosspoint-${name}.js could not be loaded: ${error}`);
    });
    loading.set(name, part);
  }
  return part;
}
