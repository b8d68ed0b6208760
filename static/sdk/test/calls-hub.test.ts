import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laboratory, person, until } from './live.js';
import { devices } from './media.js';
import type { ClientImpl } from '../src/client.js';
import type { IncomingCall, OutgoingCall } from '../src/types.js';

const { hub, behind } = laboratory();

/** What a page of somebody who is called sees. */
class Callee {
  readonly log: string[] = [];
  readonly calls: IncomingCall[] = [];

  constructor(readonly client: ClientImpl) {
    client.calls.on('incoming', (call) => {
      this.log.push(`incoming ${call.from.user}`);
      this.calls.push(call);
    });
    client.calls.on('end', ({ reason, here }) => this.log.push(`end ${reason} ${here}`));
  }

  rings(): Promise<unknown> {
    return until(() => this.calls.at(-1)?.ringing, `it rings: ${this.log}`);
  }

  stops(): Promise<unknown> {
    return until(() => this.calls.at(-1)?.ringing === false, `it stops: ${this.log}`);
  }
}

function watched(call: OutgoingCall): string[] {
  const log: string[] = [];
  call.on('update', ({ user, state }) => log.push(`${user} ${state}`));
  return log;
}

const moved = async (client: ClientImpl, transport: 'sse' | 'sse-poll' | 'websocket') => {
  await until(() => client.state === 'connected' && client.offered.length > 0, 'connected');
  await client.moveTo(transport);
};

test('a call rings and is answered over lost links and moves of both sides, each thing once', async (t: any) => {
  const { origin } = await hub();
  const proxy = await behind();
  const ada = person(t, proxy.origin, { user: 'ada' });
  const pages = [new Callee(person(t, origin, { user: 'bob' })), new Callee(person(t, proxy.origin, { user: 'bob', transports: ['sse'] }))];
  await Promise.all([ada, ...pages.map(({ client }) => client)].map((client) => client.ready()));
  for (let round = 0; round < 5; round++) {
    const call = await ada.calls.ring('lunch', ['bob'], { data: { round } });
    const log = watched(call);
    if (round === 1) await proxy.cut();
    if (round === 2) await moved(ada, 'sse');
    await Promise.all(pages.map((page) => page.rings()));
    assert.deepEqual(pages.map(({ calls }) => calls.at(-1)!.data), [{ round }, { round }]);
    const answered = round % 2 === 0 ? pages[round % 4 === 0 ? 1 : 0]! : null;
    if (round === 3) await proxy.cut();
    if (answered) {
      const accepted = answered.calls.at(-1)!.accept();
      if (round === 4) await proxy.cut();
      const room = await accepted;
      assert.deepEqual([room.name, room.joined, room.call.joined], ['lunch', true, true]);
      await room.call.leave();
    } else {
      pages[0]!.calls.at(-1)!.decline('busy here');
    }
    const [bob] = await call.ended;
    assert.equal(bob!.state, answered ? 'accepted' : 'declined');
    if (!answered) assert.equal(bob!.reason, 'busy here');
    await Promise.all(pages.map((page) => page.stops()));
    assert.deepEqual(log, ['bob ringing', `bob ${bob!.state}`]);
    const who = answered ?? pages[0]!;
    for (const page of pages) assert.deepEqual(page.log.splice(0), ['incoming ada', `end ${bob!.state} ${page === who}`]);
  }
  assert.deepEqual(devices.opened, [], 'who wants to send nothing opens nothing');
});

test('a hub that restarts while it rings: it goes on ringing, and the answer counts', async (t: any) => {
  const lab = await hub();
  const ada = person(t, lab.origin, { user: 'ada2' });
  const bob = new Callee(person(t, lab.origin, { user: 'bob2' }));
  await Promise.all([ada.ready(), bob.client.ready()]);
  const call = await ada.calls.ring('restart', 'bob2');
  const log = watched(call);
  await bob.rings();
  const before = [ada.session, bob.client.session];
  await lab.restart();
  await until(() => ada.state === 'connected' && bob.client.state === 'connected', 'both are back');
  assert.ok(ada.session !== before[0] && bob.client.session !== before[1]);
  await bob.calls[0]!.accept();
  assert.equal((await call.ended)[0]!.state, 'accepted');
  assert.deepEqual(bob.log, ['incoming ada2', 'end accepted true']);
  assert.deepEqual(log, ['bob2 ringing', 'bob2 accepted']);
});

test('who closes, hangs up or is called by himself', async (t: any) => {
  const { origin } = await hub();
  const ada = person(t, origin, { user: 'ada3' });
  const [bob, other] = [new Callee(person(t, origin, { user: 'bob3' })), new Callee(person(t, origin, { user: 'ada3' }))];
  await Promise.all([ada.ready(), bob.client.ready(), other.client.ready()]);
  const call = await ada.calls.ring('r', ['bob3', 'ada3']);
  await Promise.all([bob.rings(), other.rings()]);
  call.cancel('bob3');
  await bob.stops();
  assert.deepEqual(bob.log, ['incoming ada3', 'end cancelled false']);
  ada.close();
  await other.stops();
  assert.deepEqual(other.log, ['incoming ada3', 'end gone false']);
  assert.deepEqual((await call.ended).map(({ state }) => state), ['cancelled', 'failed']);
  await assert.rejects(ada.calls.ring('r', 'bob3'), { code: 'bye' });
  await assert.rejects(bob.client.calls.ring('r', []), { code: 'bad_request' });
  const late = await bob.client.calls.ring('r', 'nobody-at-all');
  assert.deepEqual((await late.ended).map(({ state }) => state), ['offline']);
});

test('a client without the SDK calls and is called by plain messages', async (t: any) => {
  const { origin } = await hub();
  const plain = person(t, origin, { user: 'plain' });
  const bob = new Callee(person(t, origin, { user: 'bob4' }));
  const got: { type: string; data: any; from: any }[] = [];
  plain.on('message', ({ type, data, from }) => got.push({ type, data, from }));
  await Promise.all([plain.ready(), bob.client.ready()]);
  await plain.sendToUser('bob4', 'call.ring', { call: 'c-1', room: 'r', ms: 20_000, data: null });
  await bob.rings();
  await until(() => got.some(({ type, data }) => type === 'call.ringing' && data.call === 'c-1'), 'it rings there');
  const accepted = bob.calls[0]!.accept();
  const answer = await until(() => got.find(({ type }) => type === 'call.answer'), 'an answer');
  const { call, page } = answer.data;
  assert.equal(answer.data.answer, 'accept');
  await plain.sendToUser('bob4', 'call.answered', { call, answer: 'accept', by: { session: answer.from.session, page } });
  await accepted;
  const ring = await bob.client.calls.ring('r', 'plain');
  const rung = await until(() => got.find(({ type }) => type === 'call.ring'), 'a ring');
  await plain.sendToUser('bob4', 'call.answer', { call: rung.data.call, answer: 'decline', reason: 'no microphone' });
  assert.deepEqual((await ring.ended).map(({ state, reason }) => [state, reason]), [['declined', 'no microphone']]);
  await until(() => got.some(({ type, data }) => type === 'call.answered' && data.call === rung.data.call), 'word of it');
});
