import { record } from '../../session/types.js';

/** The types of the messages that ringing takes (docs/calls.md). All go `to: "user:…"`. */
export const RING = 'call.ring';
export const RINGING = 'call.ringing';
export const ANSWER = 'call.answer';
export const ANSWERED = 'call.answered';
export const CANCEL = 'call.cancel';
export const WHO = 'call.who';

export type Answer = 'accept' | 'decline' | 'busy';

/** A page of a session. */
export interface Where {
  session: string;
  page: string;
}

/** A message to be sent to a user. */
export interface Sending {
  op: 'send';
  user: string;
  type: string;
  data: Record<string, unknown>;
}

/** Reasons and names are cut to so many characters. */
const TEXT_MAX = 256;

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, TEXT_MAX) : undefined;
}

export function answerOf(value: unknown): Answer | null {
  return value === 'accept' || value === 'decline' || value === 'busy' ? value : null;
}

export function whereOf(value: unknown): Where {
  const { session, page } = record(value) ?? {};
  return { session: textOf(session) ?? '', page: textOf(page) ?? '' };
}

export function sending(user: string, type: string, data: Record<string, unknown>): Sending {
  const given = Object.entries(data).filter(([, value]) => value !== undefined);
  return { op: 'send', user, type, data: Object.fromEntries(given) };
}
