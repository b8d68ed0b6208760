import assert from 'node:assert/strict';
import { until } from './process.js';

/** Numbers a second that each sends. */
export const RATE = 200;

/** Ada on WebSocket and Bob at `origin`, each streaming numbers at the other. */
export async function streaming(stage, room, origin, options = {}) {
  const ada = await stage.person('Ada', { room, ...options });
  const bob = await stage.person('Bob', { room, origin, ...options });
  await ada.seesMember('Bob');
  await bob.seesMember('Ada');
  await ada.watchMembers();
  await Promise.all([ada.startStream(RATE), bob.startStream(RATE)]);
  return { ada, bob };
}

/** Lets at least so many further numbers of both arrive at both. */
export async function flow({ ada, bob }, numbers = RATE / 2) {
  const seen = async () => Promise.all([ada.checked('Bob'), bob.checked('Ada'), ada.checked('Ada'), bob.checked('Bob')]);
  const before = await seen();
  await until(async () => (await seen()).every((now, i) => (now?.last ?? 0) >= (before[i]?.last ?? 0) + numbers), () => ada.story('and Bob get numbers'));
}

/** Stops both streams and asserts that every number has come to everyone once and in order, and nobody saw a gap or a leave. */
export async function assertComplete({ ada, bob }) {
  const [fromAda, fromBob] = await Promise.all([ada.stopStream(), bob.stopStream()]);
  for (const person of [ada, bob]) {
    await person.checkedAll('Ada', fromAda);
    await person.checkedAll('Bob', fromBob);
    assert.equal(await person.counter('gaps'), 0);
  }
  assert.deepEqual(await ada.memberChanges(), [], 'Bob was there all the time');
  ada.assertQuiet();
  return fromAda + fromBob;
}
