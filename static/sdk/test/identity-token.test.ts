import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import { json, rig, settle, type FakeLink } from './fakes.js';

const reply = (id: string | undefined, data: unknown = {}): Frame => ({ type: 'hub:reply', id: id!, data });
const refusal = (id: string | undefined, data: object): Frame => ({ type: 'hub:error', id: id!, data: { message: 'no', retry: 'refresh', ...data } });
const expiring: Frame = { type: 'hub:token_expiring', data: { expires_in_ms: 20_000 } };
const refreshes = (link: FakeLink) => link.app().filter(({ type }) => type === 'hub:refresh');

test('told that its token ends, the client fetches one and gives it to the hub on the same link, once', async () => {
  let n = 0;
  const { client, connected, links, live } = rig({ token: async () => `t${++n}` });
  const told: unknown[] = [];
  client.on('token_expiring', (event) => told.push(event));
  const link = await connected();
  link.frame(expiring);
  link.frame(expiring);
  await live(3_000);
  assert.deepEqual(refreshes(link).map(({ data }) => data), [{ token: 't2' }]);
  link.frame(reply(refreshes(link)[0]!.id, { expires_ms: 60_000 }));
  await live(15_000);
  assert.deepEqual([n, refreshes(link).length, links.length, client.state], [2, 1, 1, 'connected']);
  assert.deepEqual(told, [{ expiresInMs: 20_000 }, { expiresInMs: 20_000 }]);
  client.close();
});

test('a token that is not to be had is asked for again, with waits that grow, and the old one again is none', async () => {
  const asked: number[] = [];
  const answers = ['t1', new Error('down'), new Error('down'), 't1', 't2'];
  const { client, connected, clock, live } = rig({
    token: async () => {
      asked.push(clock.time);
      const answer = answers[asked.length - 1]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const link = await connected();
  link.frame(expiring);
  for (let i = 0; i < 400 && refreshes(link).length === 0; i++) await live(100);
  link.frame(reply(refreshes(link)[0]!.id));
  await live(30_000);
  assert.deepEqual(refreshes(link).map(({ data }) => data), [{ token: 't2' }]);
  const waits = asked.slice(2).map((at, i) => at - asked[i + 1]!);
  assert.equal(asked.length, 5);
  assert.ok(waits.every((wait, i) => wait >= 500 && wait > (waits[i - 1] ?? 0)), `${waits}`);
  client.close();
});

test('a refusal of the new token asks for another, but not for ever', async () => {
  let n = 0;
  const { client, connected, live } = rig({ token: async () => `t${++n}` });
  const link = await connected();
  link.frame(expiring);
  for (let i = 0; i < 200; i++) {
    await live(500);
    const last = refreshes(link).at(-1);
    if (last) link.frame(refusal(last.id, { code: 'unauthorized' }));
  }
  assert.equal(n, 5, 'the first, and four that were refused');
  client.close();
});

test('who gave a string is told, and nothing is sent for them', async () => {
  const { client, connected, live } = rig({ token: 'fixed' });
  const told: number[] = [];
  client.on('token_expiring', ({ expiresInMs }) => told.push(expiresInMs));
  const link = await connected();
  link.frame(expiring);
  await live(10_000);
  assert.deepEqual([told, refreshes(link).length], [[20_000], 0]);
  client.close();
});

for (const code of ['token_revoked', 'token_expired', 'unauthorized']) {
  test(`${code}: with a token function the session goes on with another, without one it is over`, async () => {
    let n = 0;
    const renewing = rig({ token: async () => `t${++n}` });
    const link = await renewing.connected();
    const session = renewing.client.session;
    link.frame({ type: 'hub:close', data: { code, message: 'x', retry: 'refresh' } });
    const { session: resumed, token } = (await renewing.greeted()).hello();
    assert.deepEqual([resumed, token], [session, 't2']);
    renewing.client.close();

    const fixed = rig({ token: 'fixed' });
    const states: unknown[] = [];
    fixed.client.on('state', ({ state, error }) => states.push([state, error?.code, error?.message, (error?.cause as CrosspointError)?.code]));
    const only = await fixed.connected();
    states.length = 0;
    only.frame({ type: 'hub:close', data: { code, message: 'Authentication error: Invalid token', retry: 'refresh' } });
    await fixed.clock.advance(60_000);
    const cause = code === 'unauthorized' ? undefined : code;
    assert.deepEqual(states.at(-1), ['closed', 'unauthorized', 'Authentication error: Invalid token', cause]);
    assert.equal(fixed.links.length, 1, 'nothing is tried any more');
  });
}

test('a session whose token ended while no link was there goes on with a new one', async () => {
  let n = 0;
  const { client, connected, greeted, asked } = rig({ token: async () => `t${++n}` });
  await connected();
  client.debug.killLink();
  (await greeted()).frame({ type: 'hub:close', data: { code: 'token_expired', message: 'over', retry: 'refresh' } });
  const link = await greeted();
  assert.deepEqual([link.hello().session, asked.at(-1).authorization], ['s1', 'Bearer t2']);
  link.welcome();
  await settle();
  assert.deepEqual([client.state, client.session], ['connected', 's1']);
  client.close();
});

test('refusals without end are an end, with the reason that people are shown', async () => {
  const { client, clock } = rig({ token: async () => 'bad' }, () => json({ error: { code: 'token_revoked', message: 'revoked', retry: 'refresh' } }, 401));
  let final: CrosspointError | undefined;
  client.on('state', ({ state, error }) => state === 'closed' && (final = error));
  await clock.advance(120_000);
  assert.deepEqual([final?.code, final?.message], ['unauthorized', 'Authentication error: Invalid token']);
});
