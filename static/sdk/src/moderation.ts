import type { Frame } from './frame.js';
import { isCount, record } from './session/types.js';
import type { Moderated, Moderation } from './types.js';

/** What may be done about others in a room. */
export function moderationOf(room: string, ask: (frame: Frame) => Promise<any>): Moderation {
  const act = (action: string) => [
    action,
    async (user: string, { forMs: for_ms, reason }: { forMs?: number; reason?: string } = {}) =>
      moderated(await ask({ type: 'hub:moderate', room, data: { action, user, for_ms, reason } })),
  ];
  const list = async () => ((await ask({ type: 'hub:moderation', room })).users ?? []).map(moderated);
  return { ...Object.fromEntries(['mute', 'unmute', 'kick', 'ban', 'unban'].map(act)), list };
}

/** As applications read it: what has an end says `until`. */
export function moderated(data: unknown): Moderated {
  const { until_ms: until, ...rest } = record(data) ?? {};
  return { ...rest, ...(isCount(until) && { until }) } as Moderated;
}
