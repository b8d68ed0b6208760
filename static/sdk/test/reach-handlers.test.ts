import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoomEvent } from '../src/types.js';
import { laboratory, noWebSocket, person, until } from './live.js';

const { hub, behind } = laboratory();

test('handlers that unsubscribe, resubscribe or throw inside an event miss nothing and disturb nobody', async (t: any) => {
  const proxy = await behind();
  const ada = person(t, proxy.origin);
  const bob = person(t, (await hub()).origin, { user: 'bob' });
  const errors: unknown[] = [];
  const steady: number[] = [];
  const restless: number[] = [];
  ada.on('error', (error) => errors.push(error.cause));
  const room = ada.room('handlers');
  const subscribe = () => {
    const off = room.on('n', ({ data }: RoomEvent<number>) => {
      off();
      restless.push(data);
      subscribe();
      if (data % 5 === 0) throw data;
      if (data % 7 === 0) room.off('n', nobody);
    });
  };
  const nobody = () => {};
  subscribe();
  room.on('n', nobody);
  room.on('n', ({ data }: RoomEvent<number>) => void steady.push(data));
  // What happens to the connection is told in the middle of things, too.
  ada.on('state', ({ state }) => {
    if (state === 'reconnecting') void room.publish('from-state', 1);
    throw 'state';
  });
  ada.on('transport', ({ transport }) => {
    if (transport === 'sse') void ada.moveTo('websocket').catch(() => {});
    throw 'transport';
  });
  await room.join();
  await bob.room('handlers').join();
  const all = Array.from({ length: 60 }, (_, i) => i);
  for (const n of all) {
    bob.room('handlers').publish('n', n);
    if (n === 20) ada.debug.killLink();
    if (n === 40) void ada.moveTo('sse').catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  await until(() => steady.length >= all.length, 'everything has come');
  assert.deepEqual(steady, all);
  assert.deepEqual(restless, all);
  assert.ok(errors.includes(5) && errors.includes('state') && errors.includes('transport'), `${errors}`);
  assert.equal(ada.counters.gaps, 0);
});

test('a client may be closed inside any event', async (t: any) => {
  const proxy = await behind({ http: [noWebSocket] });
  for (const event of ['state', 'transport', 'session', 'frame', 'rtt'] as const) {
    const ada = person(t, proxy.origin, { user: `closes-${event}` });
    const states: string[] = [];
    ada.on('state', ({ state }) => states.push(state));
    ada.once(event, () => ada.close());
    await until(() => ada.state === 'closed', `closed in ${event}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(states.filter((state) => state === 'closed').length, 1, event);
    assert.equal(states.at(-1), 'closed', event);
  }
});
