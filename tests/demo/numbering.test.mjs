import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const source = await readFile(new URL('../../static/demo/numbering.js', import.meta.url), 'utf8');
const { HOLES_MAX, Numbering } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

function after(...numbers) {
  const numbering = new Numbering();
  for (const n of numbers) numbering.take(n);
  const { first, last, received, lost, doubled, swapped } = numbering;
  return { first, last, received, lost, doubled, swapped };
}

test('an unbroken run has no faults', () => {
  assert.deepEqual(after(1, 2, 3, 4), { first: 1, last: 4, received: 4, lost: 0, doubled: 0, swapped: 0 });
});

test('a page that joins in the middle begins with the first number it sees', () => {
  assert.deepEqual(after(41, 42), { first: 41, last: 42, received: 2, lost: 0, doubled: 0, swapped: 0 });
});

test('skipped numbers are lost', () => {
  assert.deepEqual(after(1, 2, 6, 7, 9), { first: 1, last: 9, received: 5, lost: 4, doubled: 0, swapped: 0 });
});

test('a number that comes again is doubled, also the last one and one from before the start', () => {
  assert.equal(after(1, 2, 2).doubled, 1);
  assert.equal(after(1, 2, 3, 1).doubled, 1);
  assert.equal(after(5, 6, 4).doubled, 1);
});

test('a number that comes late is swapped and no longer lost', () => {
  assert.deepEqual(after(1, 3, 2, 4), { first: 1, last: 4, received: 4, lost: 0, doubled: 0, swapped: 1 });
  assert.deepEqual(after(1, 6, 4, 4), { first: 1, last: 6, received: 4, lost: 3, doubled: 1, swapped: 1 });
  assert.deepEqual(after(1, 6, 2, 5, 3, 4), { first: 1, last: 6, received: 6, lost: 0, doubled: 0, swapped: 4 });
});

test('what is no number from 1 on is not counted', () => {
  assert.deepEqual(after(0, -1, 1.5, '2', null, undefined, Number.NaN, 2 ** 60), after());
});

test('the memory of holes is bounded, and the count of lost stays right', () => {
  const numbering = new Numbering();
  const runs = HOLES_MAX + 500;
  for (let i = 0; i <= runs; i++) numbering.take(1 + 2 * i);
  assert.equal(numbering.lost, runs);
  assert.equal(numbering.take(2), 'doubled');
  assert.equal(numbering.take(2 * runs), 'swapped');
  assert.equal(numbering.lost, runs - 1);
});

test('holes agree with a plain set of what was seen', () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round++) {
    const numbering = new Numbering();
    const seen = new Set();
    let first = null;
    let doubled = 0;
    for (let i = 0; i < 60; i++) {
      const n = first === null ? 1 : 1 + random(50);
      first ??= n;
      if (seen.has(n)) doubled += 1;
      seen.add(n);
      numbering.take(n);
    }
    assert.equal(numbering.doubled, doubled);
    assert.equal(numbering.lost, Math.max(...seen) - seen.size);
  }
});
