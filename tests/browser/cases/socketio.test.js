import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Chat, worlds } from '../lib/chat.js';
import { until } from '../lib/process.js';
import { websocketFaults } from '../lib/proxy.js';

const open = [];
after(async () => {
  for (const chat of open) await chat.close();
});

/** With recovery, socket.io shows its pages a last argument of its own, the event's place in the stream. */
const withoutPlace = (log) => log.map((entry) => (entry[0] === 'in' && /^[\w-]{7}(\.\w+)?$/.test(entry.at(-1)) ? entry.slice(0, -1) : entry));

/** Plays the same in both worlds; what the people have seen must be the same. */
function same(name, play, options = {}) {
  test(name, async () => {
    const seen = {};
    for (const [world, begin] of Object.entries(worlds)) {
      const chat = await Chat.open(begin, options);
      open.push(chat);
      const people = await play(chat);
      for (const who of people) assert.deepEqual(who.quiet(), [], `${who.name}'s console, with ${world}`);
      assert.deepEqual(chat.errors ?? [], []);
      seen[world] = {};
      for (const who of people) {
        const log = await who.log();
        assert.ok(log.length > 0, `${who.name} saw something`);
        seen[world][who.name] = world === 'socketio' && options.recovery ? withoutPlace(log) : log;
      }
      await open.pop().close();
    }
    for (const who of Object.keys(seen.socketio)) assert.deepEqual(seen.hub[who], seen.socketio[who], `what ${who} saw`);
  });
}

async function entered(chat, name, room, origin) {
  const who = await chat.person(name, origin);
  await who.has('in', 'be nice');
  await who.do('enter', room);
  await who.has('entered');
  return who;
}

same('a chat with rooms, acknowledgements, typing and files', async (chat) => {
  const ada = await entered(chat, 'Ada', 'lobby');
  const bob = await entered(chat, 'Bob', 'lobby');
  const cyd = await entered(chat, 'Cyd', 'cellar');
  await ada.has('in', 'Bob is here');
  // By the form, as people do.
  await ada.page.locator('#text').fill('Hello Bob');
  await bob.has('in', 'typing');
  await ada.page.locator('#text').press('Enter');
  await ada.has('stored');
  await bob.page.locator('#messages li', { hasText: 'Ada: Hello Bob' }).waitFor();
  await bob.do('attach', [1, 2, 250]);
  await ada.has('in', 'attachment');
  await bob.do('photo', 'not really a photo');
  await ada.has('in', 'right after the photo');
  await ada.do('whisper', 'Bob', 'psst');
  await bob.has('in', 'psst');
  await bob.do('check', 'Ada');
  await ada.do('shapes');
  await ada.has('in', 'a message');
  await ada.do('slow');
  await ada.do('slowPromise');
  await bob.do('leave', 'lobby');
  await ada.has('in', 'Bob has left');
  await ada.do('say', 'Alone?');
  await ada.has('in', 'Alone?');
  await cyd.do('say', 'In the cellar');
  await cyd.has('in', 'In the cellar');
  return [ada, bob, cyd];
});

same('who is refused, kicked, or goes', async (chat) => {
  const ada = await entered(chat, 'Ada', 'lobby');
  const bob = await entered(chat, 'Bob', 'lobby');
  await ada.has('in', 'Bob is here');
  const mallory = await chat.person('Mallory');
  await mallory.has('refused', 'go away');

  assert.equal(await ada.do('moderate', 'guess'), true, 'one connection carries both namespaces');
  await ada.has('desk refused', 'wrong password');
  await ada.do('moderate', 'secret');
  await ada.has('desk report', 'moderators');
  await ada.do('kick', 'Bob');
  await bob.has('disconnect', 'io server disconnect');
  await ada.has('desk report', 'kicked');
  await ada.has('in', 'Bob has left');
  await ada.do('closeDesk');
  await ada.has('desk disconnect', 'io client disconnect');

  const before = await bob.length();
  await bob.do('say', 'kept until I am back');
  await bob.do('connect');
  await bob.has('in', 'be nice', before);
  await bob.do('enter', 'lobby');
  await ada.has('in', 'Bob is here', await ada.length() - 1);
  await bob.do('disconnect');
  await bob.has('disconnect', 'io client disconnect');
  await ada.sees((e) => e[0] === 'in' && e[2]?.length === 1, (await ada.log()).findLastIndex((e) => e.includes('Bob is here')));

  const cyd = await entered(chat, 'Cyd', 'lobby');
  await ada.has('in', 'Cyd is here');
  await cyd.page.close({ runBeforeUnload: true });
  await ada.has('in', 'Cyd has left');
  return [ada, bob, mallory];
});

same('the link is cut, and the conversation goes on where it was', async (chat) => {
  const proxy = await chat.proxy();
  const ada = await entered(chat, 'Ada', 'lobby');
  const bob = await entered(chat, 'Bob', 'lobby', proxy.origin);
  await ada.has('in', 'Bob is here');
  await until(async () => (await bob.do('transport')) === 'websocket', 'Bob has a WebSocket');

  await proxy.set({ accept: 'refuse' });
  await proxy.cut({ client: 'close', upstream: 'close' });
  await bob.has('disconnect', 'transport close');
  await bob.do('say', 'written offline');
  await ada.do('say', 'while Bob was away');
  await ada.has('in', 'while Bob was away');
  await bob.has('connect_error');
  await proxy.set({});
  await bob.has('connect', '"recovered":true');
  await ada.has('in', 'written offline');
  await bob.has('in', 'while Bob was away');
  await bob.has('in', 'written offline');
  // socket.io hands over what was missed before it says that it is connected, the hub's client after.
  await bob.page.evaluate(() => {
    const { log } = globalThis.chat;
    const from = log.findIndex(([what]) => what === 'reconnect') + 1;
    log.push(...log.splice(from).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
  });
  await ada.do('say', 'There you are');
  await bob.has('in', 'There you are');
  await bob.do('check', 'Ada');
  return [ada, bob];
}, { recovery: true });

same('a network without WebSocket', async (chat) => {
  const proxy = await chat.proxy({ http: [websocketFaults['answers 400']] });
  const ada = await entered(chat, 'Ada', 'lobby');
  const bob = await entered(chat, 'Bob', 'lobby', proxy.origin);
  await ada.has('in', 'Bob is here');
  assert.equal(await bob.do('transport'), 'polling');
  for (const n of [1, 2, 3]) {
    await bob.do('say', `up ${n}`);
    await ada.do('say', `down ${n}`);
    await ada.has('in', `up ${n}`);
    await bob.has('in', `down ${n}`);
  }
  await bob.do('attach', [7]);
  await ada.has('in', 'attachment');
  // Each hears their own and the other's; which came first is chance.
  for (const who of [ada, bob]) await who.page.evaluate(() => globalThis.chat.log.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
  return [ada, bob];
});
