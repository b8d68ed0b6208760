import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Machine } from '../src/session/machine.js';
import type { Config, Input, Output } from '../src/session/types.js';

/** Written by the simulation of the Rust machine: one object per line, first the configuration, then each input and what came of it. */
const folder = `${process.env.SDK_DIR}/../../tests/vectors/client`;

interface Step {
  now: number;
  in: Input;
  /** The frame was not taken. */
  err?: boolean;
  out: Output[];
  /** When the machine wants its next tick; `null` for never. */
  deadline: number | null;
}

const names: string[] = existsSync(folder) ? readdirSync(folder).filter((name: string) => name.endsWith('.jsonl')) : [];

test('the vectors of the Rust machine are there', () => {
  assert.ok(names.length > 0, folder);
});

for (const name of names) {
  test(`the machine does what the Rust one does: ${name}`, () => {
    const lines = readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n') as string[];
    const [first, ...steps] = lines.map((line) => JSON.parse(line));
    const machine = new Machine((first as { config: Partial<Config> }).config);
    assert.ok(steps.length > 0);
    (steps as Step[]).forEach((step, i) => {
      const taken = machine.handle(step.now, step.in);
      const out: Output[] = [];
      for (let o = machine.poll(); o; o = machine.poll()) out.push(o);
      const where = `line ${i + 2}: ${JSON.stringify(step.in)}`;
      assert.deepEqual(JSON.parse(JSON.stringify(out)), step.out, where);
      assert.equal(taken, !step.err, where);
      assert.equal(machine.deadline(), step.deadline ?? Infinity, where);
    });
  });
}
