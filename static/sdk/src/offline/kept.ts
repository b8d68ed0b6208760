import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import { decode, encodeText, type Frame } from '../frame.js';
import type { OfflineOptions, StoredFrame } from '../types.js';

/** How long the hub surely knows the id of what it got: of a message to a user, of a publish in a room without history (its
 * `dedup_ms`), each less what a repetition may take to get there (ms). In a room with history it knows it while the history
 * holds the event. */
const MESSAGE_KNOWN_MS = 50_000;
const PUBLISH_KNOWN_MS = 110_000;

const DAY_MS = 86_400_000;

/** A publish or a message to a user, from its call to its reply. */
export interface Kept {
  readonly id: string;
  readonly frame: Frame;
  readonly bytes: number;
  /** When it was made, ms since 1970; `n` orders what was made in one millisecond. */
  readonly since: number;
  readonly n: number;
  /** Whose it is; before the hub has said so, who that probably is. */
  user: string | null;
  named: boolean;
  /** When it was given to a session for the first time, ms since 1970. */
  tried: number | null;
  /** When the store was told that it is about to be. */
  marked: number | null;
  /** An earlier page made it. */
  readonly restored: boolean;
  /** It is kept over a reload, where there is a store. */
  readonly lasting: boolean;
  /** The session has it: it goes out, whatever else happens. */
  given: boolean;
  /** When the hub refused it as too fast for the first time (ms). */
  limited?: number;
}

/** How long a frame is kept: as long as the page, or as long as the store. */
export type Keep = 'memory' | 'store';

export interface Bounds {
  max: number;
  maxBytes: number;
  maxAgeMs: number;
}

export function boundsOf(options: OfflineOptions, queueMax: number): Bounds {
  return { max: options.max ?? queueMax, maxBytes: options.maxBytes ?? 4_194_304, maxAgeMs: options.maxAgeMs ?? DAY_MS };
}

/** What a store keeps of it: the frame as it is sent, and whose it is; no token, no session. */
export function stored({ id, user, since, n, tried, marked, frame }: Kept): StoredFrame {
  return { id, user, since, n, tried: tried ?? marked, frame: encodeText(frame) };
}

/** Back from a store; `null` if it isn't what was put there. */
export function restored({ id, user, since, n, tried, frame: text }: StoredFrame, now: string): Kept | null {
  const frame = decode(text);
  if (!frame || frame.id !== id || typeof since !== 'number') return null;
  return { id, frame, bytes: text.length, since, n, user: user ?? now, named: true, tried, marked: tried, restored: true, lasting: true, given: false };
}

export function bySince(a: { since: number; n: number }, b: { since: number; n: number }): number {
  return a.since - b.since || a.n - b.n;
}

/** How long the hub surely knows whether it has got this frame (ms). */
export function knownMs({ room }: Frame, history: boolean): number {
  return room === undefined ? MESSAGE_KNOWN_MS : history ? Infinity : PUBLISH_KNOWN_MS;
}

export function doubtful(): CrosspointError {
  return new CrosspointError('timeout', 'it was sent, its link was lost, and the hub may no longer know whether it had come');
}

/** Why it must not be sent (again), if so. `history`: its room has one. */
export function tooLate(kept: Kept, history: boolean, { maxAgeMs }: Bounds, clock: Clock): CrosspointError | null {
  const now = clock.date();
  if (kept.tried !== null) {
    if (now - kept.tried > knownMs(kept.frame, history)) return doubtful();
  }
  return now - kept.since > maxAgeMs ? new CrosspointError('timeout', `it could not be sent for ${maxAgeMs} ms`) : null;
}
