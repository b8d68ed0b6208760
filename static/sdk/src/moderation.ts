import type { Frame } from './frame.js';
import { isCount, record } from './session/types.js';
import type { Moderated, Moderation } from './types.js';

type Ask = <T>(frame: Frame) => Promise<T>;

/** What may be done about others in a room. */
export function moderationOf(room: string, ask: Ask): Moderation {
  const act = (action: string) => async (user: string, options: { forMs?: number; reason?: string } = {}) => {
    const { forMs: for_ms, reason } = options;
    return untilOf(await ask({ type: 'hub:moderate', room, data: { action, user, for_ms, reason } }));
  };
  return {
    mute: act('mute'),
    unmute: act('unmute'),
    kick: act('kick'),
    ban: act('ban'),
    unban: act('unban'),
    list: async () => {
      const { users } = await ask<{ users?: unknown[] }>({ type: 'hub:moderation', room });
      return (users ?? []).map(moderated);
    },
  };
}

export function moderated(data: unknown): Moderated {
  const { until_ms: _, ...what } = record(data) ?? {};
  return { ...what, ...untilOf(data) } as Moderated;
}

function untilOf(data: unknown): { until?: number } {
  const until = record(data)?.until_ms;
  return isCount(until) ? { until } : {};
}
