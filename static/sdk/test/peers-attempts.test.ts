import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attempts } from '../src/rtc/attempts.js';
import { FakeClock } from './fakes.js';

function rig() {
  const clock = new FakeClock();
  const made: [number, boolean][] = [];
  let fruitless = 0;
  const began = clock.now();
  const attempts = new Attempts(clock, (restart) => made.push([clock.now() - began, restart]), () => (fruitless += 1));
  return { clock, made, attempts, fruitless: () => fruitless };
}

test('where there is never a path, attempts become rare, and do not end', async () => {
  const { clock, made, attempts, fruitless } = rig();
  attempts.begin();
  attempts.begin();
  assert.equal(made.length, 1);
  await clock.advance(60_000);
  const first = made.length;
  assert.ok(first >= 4 && first <= 5, `${first} in the first minute`);
  await clock.advance(3_600_000);
  const hour = made.length - first;
  assert.ok(hour >= 25 && hour <= 35, `${hour} in the hour after it`);
  assert.equal(fruitless(), made.length - 1);
  attempts.stop();
  await clock.advance(3_600_000);
  assert.equal(made.length - first, hour);
  assert.equal(clock.waiting, 0);
});

test('a path that worked is tried again at once, and mended first if it may be', async () => {
  const { clock, made, attempts } = rig();
  attempts.lost(true);
  assert.deepEqual(made, [], 'nobody wants it');
  attempts.begin();
  attempts.lost(false);
  assert.equal(made.length, 1, 'there was none yet');
  attempts.proven();
  assert.equal(clock.waiting, 0);
  await clock.advance(100_000);
  attempts.lost(true);
  assert.deepEqual(made.at(-1), [100_000, true]);
  await clock.advance(13_000);
  assert.deepEqual(made.at(-1)![1], false, 'then a new one');
  attempts.proven();
  attempts.hurry(true);
  assert.deepEqual(made.at(-1)![1], true, 'another network');
});

test('what the peer asks for is done once, but again where the last one was in vain', async () => {
  const { clock, made, attempts } = rig();
  assert.equal(attempts.again(false, false), false, 'not wanted here');
  attempts.begin();
  assert.equal(attempts.again(false, false), false, 'under way');
  assert.equal(attempts.again(false, true), true);
  assert.equal(made.length, 2);
  attempts.proven();
  assert.equal(attempts.again(true, false), true, 'the peer knows that it is dead');
  await clock.advance(4_000);
  assert.equal(attempts.again(false, false), true, 'an old one');
  assert.equal(made.length, 4);
});
