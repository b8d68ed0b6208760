import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientImpl } from '../src/client.js';
import type { TransportName } from '../src/links/link.js';
import { FakeClock, offer } from './fakes.js';
import { ModelHub, random } from './hub.js';

const ALL: TransportName[] = ['websocket', 'sse', 'sse-poll'];

async function run(seed: number): Promise<string> {
  const dice = random(seed * 2_654_435_761);
  const clock = new FakeClock();
  clock.random = dice;
  const hub = new ModelHub(clock, dice);
  const client = new ClientImpl(
    'http://hub.test',
    { fetch: (async () => offer()) as typeof fetch, WebSocket: function () {} as unknown as typeof WebSocket },
    clock,
    ({ transport }, context) => hub.make(transport, context),
  );
  const errors: unknown[] = [];
  client.on('error', (e) => e.cause && errors.push(e.cause));
  const room = client.room('r');
  const got: number[] = [];
  room.on('*', (event) => got.push(event.offset!));
  void room.join();
  const mine: string[] = [];
  const stored: string[] = [];
  let beats = 0;
  const step = async (ms: number) => {
    await clock.advance(ms);
    if (clock.time / 5_000 > beats) {
      beats = Math.ceil(clock.time / 5_000);
      hub.beat();
    }
  };
  while (!room.joined) await step(100);
  for (let i = 0; i < 120; i++) {
    const chance = dice();
    if (chance < 0.5) {
      const publish = room.publish('mine', i);
      mine.push(publish.id);
      publish.then(({ id }) => stored.push(id));
    } else if (chance < 0.75) hub.publish(i);
    else if (chance < 0.83) client.moveTo(ALL[Math.floor(dice() * 3)]!).catch(() => {});
    else if (chance < 0.88) client.debug.killLink();
    else if (chance < 0.92) hub.links.at(-1)!.die();
    else if (chance < 0.94) hub.blackHoles.add(ALL[Math.floor(dice() * 3)]!);
    else if (chance < 0.97) hub.blackHoles.clear();
    else if (chance < 0.98 && seed % 3 === 0) hub.restart();
    await step(dice() < 0.1 ? dice() * 20_000 : dice() * 100);
  }
  hub.blackHoles.clear();
  for (let i = 0; i < 60; i++) await step(1_000);
  const ours = hub.log.filter(({ type }) => type === 'mine').map(({ id }) => id);
  assert.deepEqual(ours, mine, 'what was published is stored once each, in order');
  assert.deepEqual([...stored].sort(), [...mine].sort(), 'each publish was answered');
  assert.deepEqual(got, got.map((_, i) => got[0]! + i), 'events came once each, in order');
  assert.equal(got.at(-1), hub.log.length, 'and all of them');
  assert.deepEqual(errors, []);
  const { moves, reconnects, resumes, duplicates } = client.counters;
  client.close();
  await clock.advance(100_000);
  assert.equal(clock.waiting, 0);
  return JSON.stringify([moves, reconnects, resumes, duplicates, hub.log.length]);
}

const only = process.env.SDK_SEED;
const seeds = only ? [Number(only)] : Array.from({ length: Number(process.env.SDK_SEEDS ?? 120) }, (_, i) => i + 1);

test('whatever happens to links, each frame is delivered once and in order', async () => {
  let moves = 0;
  let reconnects = 0;
  for (const seed of seeds) {
    const [m, r] = await run(seed).then(JSON.parse, (error) => {
      throw new Error(`failed with SDK_SEED=${seed}`, { cause: error });
    });
    moves += m;
    reconnects += r;
  }
  if (!only) assert.ok(moves > 2 * seeds.length && reconnects > 2 * seeds.length, `${moves} moves, ${reconnects} reconnects`);
});

test('the same seed makes the same run', async () => {
  assert.equal(await run(7), await run(7));
});
