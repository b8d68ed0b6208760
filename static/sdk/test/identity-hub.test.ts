import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laboratory, person, until } from './live.js';

const { hub } = laboratory({ args: ['--set', 'rates.session.publishes_per_s=200', '--set', 'rates.burst_ms=100'] });
const count = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);

for (const transport of ['websocket', 'sse'] as const) {
  test(`by ${transport}: far more than the hub takes arrives all the same, once each; from the first refusal on in order, and with few more`, async (t: any) => {
    const { origin } = await hub();
    const options = { transports: [transport], autoUpgrade: false };
    const ada = person(t, origin, options);
    const bob = person(t, origin, { ...options, user: 'bob' });
    const seen: number[] = [];
    bob.room('chat:fast').on('n', ({ data }) => seen.push(data));
    await Promise.all([bob.room('chat:fast').join(), ada.room('chat:fast').join()]);
    const publish = (numbers: number[]) => Promise.all(numbers.map((n) => ada.room('chat:fast').publish('n', n)));
    let refused = 0;
    ada.on('frame', ({ direction, frame }) => {
      if (direction === 'in' && frame.type === 'hub:error') refused += 1;
    });
    await publish(count(0, 80));
    assert.ok(refused > 0);
    await until(() => seen.length === 80, () => `${seen.length} came`);
    // What was under way when the hub refused the first may have been taken before it.
    assert.deepEqual(seen.splice(0).sort((a, b) => a - b), count(0, 80));
    const before = refused;
    await publish(count(80, 300));
    await until(() => seen.length === 300, () => `${seen.length} came`);
    assert.deepEqual(seen, count(80, 300));
    assert.ok(refused - before < 30, `${refused - before} refusals`);
    assert.equal(ada.counters.reconnects, 0);
  });
}
