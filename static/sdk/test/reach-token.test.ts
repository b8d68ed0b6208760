import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { systemClock } from '../src/clock.js';
import { laboratory, person, Talk, until } from './live.js';

const SECRET = 'a secret of thirty-two bytes or more';
const { hub, behind } = laboratory({
  args: ['--set', `auth.jwt_secret=${SECRET}`, '--set', 'auth.jwt_leeway_s=0'],
});

function sign(user: string, seconds: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.ceil(Date.now() / 1000 + seconds) })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

test('the token expires during a move: a new one is fetched, the move succeeds, and nothing is lost', async (t: any) => {
  const proxy = await behind();
  let fetched = 0;
  // The first is over soon, which the client doesn't see coming, for its clock is wrong.
  const clock = { ...systemClock, date: () => Date.now() - 3_600_000 };
  const token = () => sign('ada', fetched++ === 0 ? 2 : 600);
  const ada = person(t, proxy.origin, { token, autoUpgrade: false }, clock);
  const bob = person(t, (await hub()).origin, { token: sign('bob', 600) });
  const talk = new Talk('chat:tokens', [ada, bob]);
  await talk.join();
  // The hello of the move arrives when the token is over.
  await proxy.set({ http: [{ match: { method: 'POST', path: '/sse' }, do: { delay: { ms: 2_500 } } }] });
  const moved = ada.moveTo('sse').then(() => ada.transport, (error) => error.code);
  const talking = talk.say(60, 50);
  await until(() => fetched > 1, 'a new token is fetched', 10_000);
  await proxy.set({});
  await talking;
  await talk.complete();
  assert.equal(await moved, 'sse');
  assert.equal(ada.counters.gaps, 0);
});

test('a token is renewed before it ends, and the session never notices', async (t: any) => {
  let fetched = 0;
  const ada = person(t, (await hub()).origin, { token: () => sign('ada', fetched++ === 0 ? 14 : 600), autoUpgrade: false });
  await ada.room('renewed').join();
  const { session } = ada;
  await until(() => fetched > 1, 'a new token is fetched', 14_000);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await ada.room('renewed').publish('m', 1);
  assert.deepEqual([ada.session, ada.counters.reconnects], [session, 0]);
});
