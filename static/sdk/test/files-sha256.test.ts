import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Sha256 } from '../src/rtc/files/sha256.js';
import { random } from './hub.js';

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** FIPS 180-2, appendix B, and NIST's further examples. */
const VECTORS: [string, Uint8Array][] = [
  ['e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', bytesOf('')],
  ['ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', bytesOf('abc')],
  ['248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1', bytesOf('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')],
  [
    'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
    bytesOf('abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu'),
  ],
  ['cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0', new Uint8Array(1_000_000).fill(0x61)],
];

test('digests are those of the standard', () => {
  for (const [hex, bytes] of VECTORS) assert.equal(new Sha256().update(bytes).hex(), hex);
});

test('digests are those of another implementation, however the bytes are cut', () => {
  const dice = random(256);
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, () => dice() * 256);
    const hash = new Sha256();
    for (let at = 0; at < length; ) {
      const next = at + 1 + Math.floor(dice() * 130);
      hash.update(bytes.subarray(at, next));
      at = next;
    }
    assert.equal(hash.length, length);
    assert.equal(hash.hex(), createHash('sha256').update(bytes).digest('hex'), `${length} bytes`);
  }
});
