import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Caller, launchCalls } from '../lib/caller.js';
import { Hub } from '../lib/hub.js';
import { Person } from '../lib/person.js';
import { until } from '../lib/process.js';
import { FaultProxy } from '../lib/proxy.js';

let hub;
let browser;
const contexts = [];

before(async () => {
  [hub, browser] = await Promise.all([Hub.start(), launchCalls()]);
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

/** A page in a profile of its own, or in that of somebody's other page. */
const comes = async (name, room, { context, origin = hub.origin, options } = {}) => {
  const own = context ?? (await browser.newContext());
  if (!context) contexts.push(own);
  const page = await Caller.open(own, origin, { name, room, options });
  page.context = own;
  return page;
};
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});
const all = (pages, fn) => Promise.all(pages.map(fn));

test('two people see each other, mute themselves and hang up', async () => {
  const [ada, bob, eve] = await all(['Ada', 'Bob', 'Eve'], (name) => comes(name, 'two'));
  assert.equal(await ada.ask(() => window.caller.call.mute({ audio: true }).catch((error) => error.code)), 'not_joined');
  assert.equal(await ada.ask(() => window.caller.call.join({ video: { deviceId: { exact: 'none' } } }).catch((error) => error.code)), 'not_found');
  assert.deepEqual(await ada.join(), []);
  await bob.join();
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.members({ [user]: 'audio video' }));
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  const before = await ada.calm();
  await bob.ask(() => window.caller.call.mute({ audio: true }));
  await ada.members({ Bob: 'video' });
  await bob.ask(() => window.caller.call.mute({ audio: false, video: true }));
  await ada.members({ Bob: 'audio' });
  await bob.ask(() => window.caller.call.mute({ video: false }));
  await ada.members({ Bob: 'audio video' });
  await bob.ask(async () => {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d');
    setInterval(() => context.fillRect(Math.random() * 300, 0, 9, 9), 50);
    await window.caller.call.replaceTrack('video', canvas.captureStream(10).getVideoTracks()[0]);
  });
  await ada.watches(['Bob']);
  assert.deepEqual(await ada.calm(), before, 'another track of the same kind needs no negotiation');
  // Who is among the peers sees who is in the call without being in it.
  await eve.ask(() => window.caller.room.peers.join());
  await eve.members({ Ada: 'audio video', Bob: 'audio video' });
  const tracks = await bob.ask(() => (window.tracks = window.caller.call.stream.getTracks()).map(({ readyState }) => readyState));
  assert.deepEqual(tracks, ['live', 'live']);
  await bob.ask(() => window.caller.call.leave());
  await ada.members({});
  assert.equal(await bob.ask(() => window.tracks.find(({ kind }) => kind === 'audio').readyState), 'ended');
  assert.deepEqual(await bob.ask(() => [window.caller.call.joined, window.caller.call.stream]), [false, null]);
  await bob.join();
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  // A connection that breaks is made anew, and what is sent goes on in the same stream.
  await ada.ask(() => {
    window.stream = window.caller.call.list[0].stream;
    for (const pc of window.caller.connections) pc.close();
  });
  const made = async () => (await all([ada, bob], (page) => page.negotiated())).every(({ connections }) => connections > 1);
  await until(made, () => ada.story('has a new connection'));
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  assert.equal(await ada.ask(() => window.caller.call.list[0].stream === window.stream), true);
  for (const page of [ada, bob, eve]) page.assertQuiet();
});

test('three people are in a call, no fourth, and it goes on without one of them', async () => {
  const [ada, bob, cleo, dan] = await all(['Ada', 'Bob', 'Cleo', 'Dan'], (name) => comes(name, 'three'));
  await all([ada, bob, cleo], (page) => page.join({ max: 2 }));
  await all([[ada, 'Bob', 'Cleo'], [bob, 'Ada', 'Cleo'], [cleo, 'Ada', 'Bob']], ([page, ...others]) => page.watches(others));
  assert.equal(await dan.ask(() => window.caller.join({ max: 2 }).catch((error) => error.code)), 'limit_exceeded');
  assert.equal(await dan.ask(() => window.caller.call.joined), false);
  await ada.members({ Bob: 'audio video', Cleo: 'audio video' });
  await cleo.close();
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.members({ [user]: 'audio video' }));
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  assert.ok((await ada.log()).some((line) => /leave Cleo bye/.test(line)));
});

test('signaling fails, moves and begins anew: the call goes on, and nothing is negotiated again', async () => {
  const proxy = await FaultProxy.start(hub.address);
  const ada = await comes('Ada', 'outage', { origin: proxy.origin });
  const bob = await comes('Bob', 'outage');
  await all([ada, bob], (page) => page.join());
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  const before = await all([ada, bob], (page) => page.calm());
  await proxy.set({ accept: 'refuse' });
  await proxy.cut();
  await ada.sees('has no link', () => window.caller.client.state === 'reconnecting');
  const session = await ada.ask(() => window.caller.client.session);
  await bob.ask(() => window.caller.call.mute({ audio: true }));
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user], 30));
  await ada.members({ Bob: 'audio video' });
  await proxy.set({});
  await ada.members({ Bob: 'video' });
  await ada.ask(() => window.caller.client.moveTo('sse'));
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.watches([user]));
  assert.equal(await ada.ask(() => window.caller.client.session), session);
  for (const page of [ada, bob]) assert.ok(!(await page.log()).some((line) => /leave|state false/.test(line)), await page.story('saw nobody leave'));
  assert.deepEqual(await all([ada, bob], (page) => page.calm()), before, 'an outage');
  await hub.restart();
  await all([[ada, 'Bob'], [bob, 'Ada']], ([page, user]) => page.sees(`knows ${user}'s new session`, (user) => {
    const log = window.caller.log.join('\n');
    return log.includes(`leave ${user} replaced`) && window.caller.call.list.some((peer) => peer.user === user) && window.caller.shown[user] === 2;
  }, user));
  assert.notEqual(await ada.ask(() => window.caller.client.session), session);
  await all([[ada, 'Bob', 'audio video'], [bob, 'Ada', 'audio']], ([page, user]) => page.watches([user], 20));
  await ada.members({ Bob: 'video' });
  await bob.members({ Ada: 'audio video' });
  const now = await all([ada, bob], (page) => page.calm());
  assert.deepEqual(now, before, await ada.story('and Bob negotiated nothing for a hub that forgot everything'));
  await proxy.stop();
});

test('a call rings in all tabs of a user, is answered in one, and rings no more', async () => {
  const ada = await comes('Ada', 'ringing');
  const bob = await comes('Bob', null);
  const other = await comes('Bob', null, { options: { transports: ['sse'] } });
  await ada.join();
  await ada.ask(async () => {
    const rung = (window.caller.rung = await window.caller.call.ring(['Bob', 'Nobody'], { data: { about: 'lunch' } }));
    rung.on('update', ({ user, state }) => window.caller.log.push(`${user} ${state}`));
  });
  await all([bob, other], (page) => page.sees('is called', () => window.caller.incoming?.ringing));
  await ada.sees('rings', () => window.caller.rung.users.map(({ state }) => state).join() === 'ringing,offline');
  // A page that opens now rings as well.
  const late = await comes('Bob', null);
  await late.sees('is called', () => window.caller.incoming?.ringing);
  assert.deepEqual(await late.ask(() => [window.caller.incoming.from.user, window.caller.incoming.room, window.caller.incoming.data]), ['Ada', 'ringing', { about: 'lunch' }]);
  await other.ask(() => window.caller.accept());
  await all([bob, other, late], (page) => page.sees('is called no more', () => window.caller.client.calls.list.length === 0 && !window.caller.incoming.ringing));
  assert.deepEqual(await ada.ask(async () => (await window.caller.rung.ended).map(({ user, state }) => [user, state])), [['Bob', 'accepted'], ['Nobody', 'offline']]);
  await all([[ada, 'Bob'], [other, 'Ada']], ([page, user]) => page.watches([user]));
  for (const [page, here] of [[bob, false], [other, true], [late, false]]) {
    const log = (await page.log()).filter((line) => /incoming|end /.test(line)).map((line) => line.replace(/^\d+ /, ''));
    assert.deepEqual(log, ['incoming Ada ringing', `end Ada accepted ${here}`]);
  }
  assert.deepEqual((await ada.log()).filter((line) => /^Bob/.test(line)), ['Bob ringing', 'Bob accepted']);
  // Bob is busy now, for whoever calls him elsewhere.
  const cleo = await comes('Cleo', 'elsewhere');
  const rings = (page, user, timeoutMs) =>
    page.ask(async ({ user, timeoutMs }) => {
      window.caller.rung = await window.caller.call.ring(user, { timeoutMs });
      return (await window.caller.rung.ended).map(({ state, reason }) => [state, reason]);
    }, { user, timeoutMs });
  assert.deepEqual(await rings(cleo, 'Bob'), [['busy', undefined]]);
  await other.ask(() => window.caller.call.leave());
  const decline = late.sees('declines', () => window.caller.incoming.ringing && (window.caller.incoming.decline('in a meeting'), true));
  assert.deepEqual(await rings(cleo, 'Bob'), [['declined', 'in a meeting']]);
  await decline;
  assert.deepEqual(await rings(cleo, 'Bob', 1_000), [['no_answer', undefined]]);
  await all([bob, other, late], (page) => page.sees('is called no more', () => window.caller.client.calls.list.length === 0));
  // The caller vanishes.
  await cleo.ask(() => window.caller.call.ring('Bob').then(() => {}));
  await bob.sees('is called', () => window.caller.incoming.ringing);
  await cleo.close();
  await all([bob, other, late], (page) => page.sees('is called no more', () => window.caller.client.calls.list.length === 0));
  for (const page of [ada, bob, other, late]) page.assertQuiet();
});

test('tabs that share a session ring together, and one of them takes the call', async () => {
  const ada = await comes('Ada', 'shared');
  const options = { tabs: 'shared' };
  const first = await comes('Bob', null, { options });
  const second = await comes('Bob', null, { options, context: first.context });
  await until(async () => (await first.ask(() => window.caller.client.session)) === (await second.ask(() => window.caller.client.session)), 'they share a session');
  await ada.join();
  await ada.ask(async () => {
    window.caller.rung = await window.caller.call.ring('Bob');
  });
  await all([first, second], (page) => page.sees('is called', () => window.caller.incoming?.ringing));
  await second.ask(() => window.caller.accept());
  await all([first, second], (page) => page.sees('is called no more', () => !window.caller.incoming.ringing));
  await all([[ada, 'Bob'], [second, 'Ada']], ([page, user]) => page.watches([user]));
  assert.deepEqual((await first.log()).filter((line) => /end/.test(line)).map((line) => line.replace(/^\d+ /, '')), ['end Ada accepted false']);
  assert.deepEqual(await ada.ask(() => window.caller.rung.users.map(({ state }) => state)), ['accepted']);
  // The session stays, the tab that was in the call doesn't.
  await first.ask(() => window.caller.enter('shared').join());
  await second.close();
  await ada.members({});
  await first.join();
  await all([[ada, 'Bob'], [first, 'Ada']], ([page, user]) => page.watches([user]));
  const third = await comes('Bob', 'shared', { options, context: first.context });
  await first.close();
  await ada.members({});
  assert.equal(await third.ask(() => window.caller.client.state), 'connected');
});

test('in the demo: one starts a call, it rings at the other, both see each other until one hangs up', async () => {
  const [ada, bob] = await all(['Ada', 'Bob'], (name) => Person.join(browser, hub.origin, name, 'calls'));
  const tile = (person, user) => person.get('call-tiles').locator(`li[data-user="${user}"]`);
  const plays = (person, user) => until(() => tile(person, user).locator('video').evaluate((video) => video.videoWidth > 0 && video.currentTime > 1).catch(() => false), () => person.story(`sees ${user}'s video`));
  await ada.seesMember('Bob');
  await ada.get('call-start').click();
  await bob.sees('incoming', 'data-from', 'Ada');
  await bob.get('call-accept').click();
  await all([[ada, 'Bob'], [bob, 'Ada'], [ada, 'Ada']], ([person, user]) => plays(person, user));
  await bob.get('incoming').waitFor({ state: 'hidden' });
  await bob.get('call-audio').click();
  await until(async () => (await tile(ada, 'Bob').getAttribute('data-audio')) === 'false', () => ada.story('sees that Bob is muted'));
  await bob.get('call-leave').click();
  await until(async () => (await tile(ada, 'Bob').count()) === 0, () => ada.story('sees Bob no more'));
  await ada.get('leave-button').click();
  await bob.get('call').waitFor({ state: 'hidden' });
  for (const person of [ada, bob]) {
    person.assertQuiet();
    await person.page.context().close();
  }
});
