import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Machine } from '../src/session/machine.js';
import type { Config, Input, Output } from '../src/session/types.js';

const folder = `${process.env.SDK_DIR}/../../tests/vectors/client`;

interface Step {
  now: number;
  in: Input;
  out: Output[];
}

interface Vector {
  config?: Partial<Config>;
  steps: Step[];
}

const names: string[] = existsSync(folder) ? readdirSync(folder).filter((name: string) => name.endsWith('.json')) : [];

test('the vectors of the Rust machine are there', { skip: !existsSync(`${folder}/..`) }, () => {
  assert.ok(names.length > 0, folder);
});

for (const name of names) {
  test(`the machine does what the Rust one does: ${name}`, () => {
    const { config, steps } = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Vector;
    assert.ok(steps.length > 0);
    const machine = new Machine(config);
    steps.forEach((step, i) => {
      machine.handle(step.now, step.in);
      const out: Output[] = [];
      for (let o = machine.poll(); o; o = machine.poll()) out.push(o);
      assert.deepEqual(JSON.parse(JSON.stringify(out)), step.out, `step ${i}: ${JSON.stringify(step.in)}`);
    });
  });
}
