import type { Frame } from '../frame.js';
import type { Counting } from './links.js';

/** The driver names links; never twice. */
export type LinkId = number;

/** What happens to the client. */
export type Input =
  | { op: 'hello'; link: LinkId; cause: string; auth: Record<string, unknown> }
  /** `bytes`: the size of the message that it came in, where that is known. */
  | { op: 'frame'; link: LinkId; frame: Frame; bytes?: number }
  | { op: 'closed'; link: LinkId }
  | { op: 'send'; frame: Frame }
  | { op: 'acked'; link: LinkId; received: number }
  /** The way down is alive: something came that is no frame and answers nothing. */
  | { op: 'heard'; link: LinkId }
  /** A beat came on a link that answers beats: both ways are alive. */
  | { op: 'beat'; link: LinkId }
  /** Frames may wait that nobody has read: nobody is judged by what came so far. */
  | { op: 'unread'; link: LinkId }
  /** Another pace of beats is wanted (0 for none), or a sign of life at once (with the pace as it is). */
  | { op: 'pace'; beat_ms: number }
  | { op: 'tick' }
  | { op: 'bye' };

export interface Fault {
  code: string;
  message: string;
  retry: string;
  retry_after_ms?: number;
  address?: string;
}

/** What the driver is to do, or to tell the application. */
export type Output =
  | { op: 'transmit'; link: LinkId; seq?: number; frame: Frame }
  /** Show that the way up lives: by a beat, which is answered, or by a request without frames. */
  | { op: 'beat'; link: LinkId }
  | { op: 'close'; link: LinkId; code: string }
  | { op: 'event'; frame: Frame }
  | { op: 'welcomed'; link: LinkId; session: string; user: string; resumed: boolean }
  | { op: 'rejoined'; room: string; data: unknown }
  | { op: 'rejoin_failed'; room: string; code: string }
  | { op: 'lost'; frames: number }
  | { op: 'refused'; link: LinkId; fault: Fault }
  | { op: 'move'; to?: string; within_ms: number; reason: string }
  | { op: 'rtt'; link: LinkId; ms: number }
  | { op: 'acked'; received: number };

/** A client's own bounds; the welcome's values replace them where it has some. */
export interface Config {
  /** Frames that may wait for their acknowledgement or reply. */
  queue_max: number;
  /** Of them, frames that may be sent and wait for their reply, requests aside: the replies must fit the hub's outbox together. */
  window: number;
  /** Silence after which a ping is sent (ms). */
  heartbeat_ms: number;
  ack_every: number;
  ack_delay_ms: number;
  /** How long a link has to answer the hello (ms). */
  welcome_ms: number;
  /** The pace of beats that is asked for: so soon (ms) and a little patience later a dead link is given up. 0 for none. */
  beat_ms: number;
  /** Whether a new session of this user sends a frame again that the last one left unanswered. */
  again: (frame: Frame, user: string) => boolean;
}

export const DEFAULT_CONFIG: Config = {
  queue_max: 4096,
  window: 64,
  heartbeat_ms: 10_000,
  ack_every: 32,
  ack_delay_ms: 1_000,
  welcome_ms: 5_000,
  beat_ms: 2_500,
  again: () => true,
};

/** A machine's state, as far as another one needs it to go on. */
export interface Snapshot {
  identity: { session: string; resume: string } | null;
  received: number;
  duplicates: number;
  ids: number;
  up: object;
  rooms: object;
  links: Counting;
}

/** The data of `hub:welcome`, as far as the machine reads it. */
export interface Welcome {
  version: number;
  session: string;
  resume: string;
  user: string;
  resumed: boolean;
  received: number;
  start: number;
  heartbeat_ms: number;
  resume_ms: number;
  ack_every: number;
  ack_delay_ms: number;
  /** The pace of beats in force; 0 for none. */
  beat_ms: number;
}

export function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const WELCOME_COUNTS = [
  'version',
  'received',
  'start',
  'heartbeat_ms',
  'resume_ms',
  'ack_every',
  'ack_delay_ms',
] as const;

export function welcomeOf(data: unknown): Welcome | null {
  const w = record(data);
  if (!w || typeof w.session !== 'string' || typeof w.resume !== 'string' || typeof w.resumed !== 'boolean') return null;
  if (!WELCOME_COUNTS.every((name) => isCount(w[name]))) return null;
  const { user, beat_ms } = { user: w.user ?? '', beat_ms: w.beat_ms ?? 0 };
  return typeof user === 'string' && isCount(beat_ms) ? ({ ...w, user, beat_ms } as Welcome) : null;
}
