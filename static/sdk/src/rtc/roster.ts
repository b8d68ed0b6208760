import { record } from '../session/types.js';
import type { Peer, Via } from './types.js';

/** A session on the roster, as the hub tells of it. */
export interface Listed {
  session: string;
  user: string;
  info: Record<string, unknown> | undefined;
  since: number;
  /** What the peer's SDK tells, by its parts' keys; the application's own is `s`. */
  state: Record<string, unknown>;
  /** Names the peer's page, over its sessions. Who gives no name is known by the session. */
  instance: string;
  code: string | undefined;
}

/** Those of a list that make sense. */
export function rosterOf(list: unknown): Listed[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((value): Listed[] => {
    const { session, user, info, since, state, code } = record(value) ?? {};
    if (typeof session !== 'string') return [];
    const told = record(state) ?? {};
    return [{
      session,
      user: typeof user === 'string' ? user : '',
      info: record(info) ?? undefined,
      since: typeof since === 'number' ? since : 0,
      state: told,
      instance: typeof told.i === 'string' ? told.i : session,
      code: typeof code === 'string' ? code : undefined,
    }];
  });
}

export function peerOf({ session, user, info, since, state }: Listed, via: Via): Peer {
  const peer: Peer = { session, user, since, via };
  const own = record(state.s);
  if (info) peer.info = info;
  if (own) peer.state = own;
  return peer;
}
