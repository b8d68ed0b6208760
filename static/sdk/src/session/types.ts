import type { Frame } from '../frame.js';

/** The driver names links; never twice. */
export type LinkId = number;

/** What happens to the client. */
export type Input =
  | { op: 'hello'; link: LinkId; cause: string; auth: Record<string, unknown> }
  | { op: 'frame'; link: LinkId; frame: Frame }
  | { op: 'closed'; link: LinkId }
  | { op: 'send'; frame: Frame }
  | { op: 'acked'; link: LinkId; received: number }
  | { op: 'heard'; link: LinkId }
  | { op: 'tick' }
  | { op: 'bye' };

export interface Fault {
  code: string;
  message: string;
  retry: string;
  retry_after_ms?: number;
}

/** What the driver is to do, or to tell the application. */
export type Output =
  | { op: 'transmit'; link: LinkId; seq?: number; frame: Frame }
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
  again: () => true,
};

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
  const user = w.user ?? '';
  return typeof user === 'string' ? ({ ...w, user } as Welcome) : null;
}
