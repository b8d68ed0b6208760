import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';
import { until } from '../lib/process.js';

const stage = scene();

/** Two tabs of Alice that share a session, and Bob elsewhere. All are in `room`. */
async function three(t, room) {
  const browser = await launch();
  t.after(() => browser.close());
  const [context, elsewhere] = [await browser.newContext(), await browser.newContext()];
  const open = async (context, name, user, tabs) => {
    const tab = await Tab.open(context, stage.hub.origin, { name, room, user, tabs });
    await tab.entered();
    return tab;
  };
  const bob = await open(elsewhere, 'bob', 'bob', 'own');
  const first = await open(context, 'first', 'alice', 'shared');
  const second = await open(context, 'second', 'alice', 'shared');
  return { context, bob, first, second, open: (name) => open(context, name, 'alice', 'shared') };
}

/** Joins a room; what comes is in `window[name]`: texts, and what the room itself tells. */
function join(tab, room, options = {}) {
  return tab.ask(async ([name, options]) => {
    const room = window.tab.client.room(name, options);
    const seen = ((window.rooms ??= {})[name] = []);
    room.on('say', ({ data, offset }) => seen.push(offset === undefined ? data : `${offset} ${data}`));
    room.on('gap', ({ reason }) => seen.push(`gap ${reason}`));
    room.on('presence', ({ join, leave }) => seen.push(...join.map(({ user }) => `+${user}`), ...leave.map((user) => `-${user}`)));
    const { recovered, members } = await room.join();
    return { recovered, members: members?.map(({ user, sessions }) => `${user} ${sessions}`).sort(), position: room.position };
  }, [room, options]);
}

const say = (tab, room, data, options) => tab.ask(async ([room, data, options]) => {
  await window.tab.client.room(room).publish('say', data, options);
}, [room, data, options]);

const seen = (tab, room) => tab.ask((room) => window.rooms[room], room);

async function sees(tab, room, wanted) {
  await until(async () => (await seen(tab, room)).length >= wanted.length, async () => `${tab.name} sees ${wanted}; saw ${await seen(tab, room)}\n${await tab.story('')}`);
  assert.deepEqual(await seen(tab, room), wanted, `${tab.name} in ${room}`);
}

test('a tab sees the rooms that it joined, and no others', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'one');
  await join(bob, 'two');
  await join(first, 'one');
  await join(second, 'two');
  await say(bob, 'one', 'to one');
  await say(bob, 'two', 'to two');
  await say(first, 'one', 'mine');
  await sees(first, 'one', ['to one', 'mine']);
  await sees(second, 'two', ['to two']);
  assert.equal(await first.ask(() => window.tab.client.room('two').joined), false);
  await assert.rejects(first.ask(() => window.tab.client.room('two').leave()), /not_joined|join the room first/);
});

test('a room left by one tab, or whose tab closes, stays joined for the other', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'left', { presence: true });
  await join(first, 'left');
  await join(second, 'left');
  await say(bob, 'left', 'a');
  await sees(first, 'left', ['a']);
  await sees(second, 'left', ['a']);
  await first.ask(() => window.tab.client.room('left').leave());
  await say(bob, 'left', 'b');
  await sees(second, 'left', ['a', 'b']);
  await sees(first, 'left', ['a']);
  await join(first, 'left');
  await second.close();
  await say(bob, 'left', 'c');
  await sees(first, 'left', ['c']);
  assert.equal((await seen(bob, 'left')).includes('-alice'), false);
  await first.ask(() => window.tab.client.room('left').leave());
  await until(async () => (await seen(bob, 'left')).includes('-alice'), () => bob.story('sees Alice leave'));
});

test('a tab that joins later gets the past it asks for, and the others nothing twice', async (t) => {
  const { bob, first, second, open } = await three(t, 'hall');
  await join(bob, 'chat:past');
  await join(first, 'chat:past');
  for (const text of ['a', 'b', 'c']) await say(bob, 'chat:past', text);
  await sees(first, 'chat:past', ['1 a', '2 b', '3 c']);
  const { position } = await join(second, 'chat:past', { history: 2 });
  assert.match(position, /\.\d\./);
  await sees(second, 'chat:past', ['2 b', '3 c']);
  const since = await first.ask(async () => (await window.tab.client.room('chat:past').history({ limit: 10 })).events[0].id);
  const epoch = position.split('.')[0];
  const third = await open('third');
  assert.equal((await join(third, 'chat:past', { since: `${epoch}.1.${since}` })).recovered, true);
  await sees(third, 'chat:past', ['2 b', '3 c']);
  const fourth = await open('fourth');
  assert.deepEqual((await join(fourth, 'chat:past')).members, undefined);
  await say(bob, 'chat:past', 'd');
  for (const [tab, all] of [[first, ['1 a', '2 b', '3 c', '4 d']], [second, ['2 b', '3 c', '4 d']], [third, ['2 b', '3 c', '4 d']], [fourth, ['4 d']]]) {
    await sees(tab, 'chat:past', all);
  }
  const lost = await open('fifth');
  assert.equal((await join(lost, 'chat:past', { since: 'another.7.x' })).recovered, false);
  assert.equal((await seen(lost, 'chat:past'))[0], 'gap history_lost');
});

test('two tabs join at the same moment, one of them with presence', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'chat:both');
  await say(bob, 'chat:both', 'before');
  const [one, two] = await Promise.all([join(first, 'chat:both', { history: 5 }), join(second, 'chat:both', { presence: true })]);
  assert.equal(one.members, undefined);
  assert.deepEqual(two.members, ['alice 1', 'bob 1']);
  await bob.ask(() => window.tab.client.room('chat:both').leave());
  await sees(first, 'chat:both', ['1 before']);
  await until(async () => (await seen(second, 'chat:both')).includes('-bob'), () => second.story('sees Bob leave'));
  // Who joined just now may be told of somebody twice.
  assert.deepEqual([...new Set(await seen(second, 'chat:both'))].sort(), ['+alice', '+bob', '-bob']);
});

test('what is published without echo comes to the other tab, and not to its own', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  for (const tab of [bob, first, second]) await join(tab, 'echo');
  await say(first, 'echo', 'quiet', { echo: false });
  await say(second, 'echo', 'loud');
  await sees(bob, 'echo', ['quiet', 'loud']);
  await sees(second, 'echo', ['quiet', 'loud']);
  await sees(first, 'echo', ['loud']);
});

test('a request is answered by one tab, the one that can', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await second.ask(() => {
    window.calls = 0;
    window.tab.client.onRequest('double', (n) => {
      window.calls += 1;
      return n * 2;
    });
  });
  const session = await first.session();
  const ask = (type) => bob.ask(([to, type]) => window.tab.client.request(to, type, 21).catch((error) => error.code), [`session:${session}`, type]);
  await until(async () => (await ask('double')) === 42, 'the answer');
  assert.equal(await second.ask(() => window.calls), 1);
  assert.equal(await ask('unknown'), 'not_found');
  // The other way round, from a tab without the link.
  await bob.ask(() => window.tab.client.onRequest('who', () => 'bob'));
  const other = await bob.session();
  assert.equal(await second.ask((to) => window.tab.client.request(to, 'who'), `session:${other}`), 'bob');
  // A tab that closes while it is asked.
  await second.ask(() => window.tab.client.onRequest('slow', () => new Promise(() => (window.asked = true))));
  const slow = ask('slow');
  await until(() => second.ask(() => window.asked === true), 'the second tab is asked');
  await second.close();
  assert.equal(await slow, 'not_found');
});

test('moves, cuts and forbidden transports concern the one link, whichever tab asks', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  const session = await first.session();
  await Promise.all([bob, first, second].map((tab) => tab.start(50)));
  for (const transport of ['sse', 'sse-poll', 'websocket']) {
    await second.ask((transport) => window.tab.client.moveTo(transport), transport);
    for (const tab of [first, second]) await until(async () => (await tab.transport()) === transport, () => tab.story(`on ${transport}`));
    await second.hears('bob');
    await bob.hears('second');
  }
  await second.ask(() => window.tab.client.debug.killLink());
  await second.hears('bob');
  await first.hears('second');
  await second.ask(() => window.tab.client.allow(['sse']));
  await until(async () => (await first.transport())?.startsWith('sse'), () => first.story('left WebSocket'));
  const lasts = await Promise.all([bob, first, second].map((tab) => tab.stop()));
  for (const tab of [bob, first, second]) {
    for (const [i, { name }] of [bob, first, second].entries()) await tab.heardAll(name, lasts[i]);
  }
  assert.equal(await second.session(), session);
  // The next leader keeps to what is allowed.
  await first.close();
  await second.hears('bob', 0);
  await until(async () => (await second.log()).filter((line) => / transport sse/.test(line)).length > 2, () => second.story('leads'));
});

test('the hub restarts: a new session, and every tab is in its rooms again', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'again');
  await join(second, 'again');
  await stage.hub.restart();
  for (const tab of [bob, first, second]) {
    await until(async () => (await tab.log()).filter((line) => / session .* false/.test(line)).length === 2, () => tab.story('has a new session'));
  }
  await until(() => bob.ask(() => window.tab.client.room('again').joined), 'Bob is back');
  await until(() => second.ask(() => window.tab.client.room('again').joined), 'the second tab is back');
  await say(bob, 'again', 'hello');
  await until(async () => (await seen(second, 'again')).includes('hello'), () => second.story('hears Bob'));
  await first.close();
  await say(second, 'again', 'still here');
  await until(async () => (await seen(bob, 'again')).includes('still here'), () => bob.story('hears the second tab'));
});

test('bytes, volatile events and messages to the user pass between tabs', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  for (const tab of [first, second]) {
    await tab.ask(() => {
      window.got = [];
      window.tab.room.on('bytes', ({ data, volatile }) => window.got.push(`${data instanceof Uint8Array} ${data} ${volatile}`));
      window.tab.room.on('cursor', ({ data, volatile }) => window.got.push(`${data} ${volatile}`));
      window.tab.client.on('message', ({ data }) => window.got.push(`message ${data}`));
    });
  }
  await second.ask(() => window.tab.room.publish('bytes', new Uint8Array([1, 2, 3])));
  await second.ask(() => window.tab.room.volatile('cursor', 7));
  const got = (tab, n) => until(async () => (await tab.ask(() => window.got)).length >= n, () => tab.story('gets it'));
  await Promise.all([got(first, 2), got(second, 2)]);
  await bob.ask(() => window.tab.client.sendToUser('alice', 'hi', 'Alice'));
  await Promise.all([got(first, 3), got(second, 3)]);
  for (const tab of [first, second]) assert.deepEqual(await tab.ask(() => window.got), ['true 1,2,3 false', '7 true', 'message Alice']);
});

test('after a silence the leader makes sure that it leads; what others ask for meanwhile happens all the same', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  for (const tab of [bob, first, second]) await join(tab, 'burst');
  // The silence is what is tested: a leader's lease is shorter.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const burst = [1, 2, 3, 4, 5].map((n) => `n${n}`);
  await second.ask((burst) => burst.forEach((text) => void window.tab.client.room('burst').publish('say', text)), burst);
  for (const tab of [bob, first, second]) await sees(tab, 'burst', burst);
});

test('a service and a watch are let go of after the last tab that has them', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  const session = await bob.session();
  for (const tab of [first, second]) {
    await tab.ask((session) => {
      window.ended = [];
      window.tab.client.on('ended', (end) => window.ended.push(end.session));
      return window.tab.client.watch(session);
    }, session);
  }
  await first.ask((session) => window.tab.client.unwatch(session), session);
  await bob.ask(() => window.tab.client.close());
  await until(async () => (await second.ask(() => window.ended)).includes(session), () => second.story('hears that Bob is gone'));
  assert.deepEqual(await first.ask(() => window.ended), []);
});

test('the last tab that closes ends the session', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'end', { presence: true });
  await join(second, 'end');
  await first.close();
  await say(second, 'end', 'alone');
  await until(async () => (await seen(bob, 'end')).includes('alone'), () => bob.story('hears Alice'));
  assert.equal((await seen(bob, 'end')).includes('-alice'), false);
  await second.page.close({ runBeforeUnload: false });
  // Long before the session would expire.
  await until(async () => (await seen(bob, 'end')).includes('-alice'), () => bob.story('sees Alice leave'), 15_000);
});

test('a worker shares with the tabs', async (t) => {
  const { bob, first, second } = await three(t, 'hall');
  await join(bob, 'work');
  const worked = await second.ask(async () => {
    const code = `import { connect } from '${location.origin}/sdk/crosspoint.js';
      const client = connect('${location.origin}', { user: 'alice', tabs: 'shared' });
      const room = client.room('work');
      room.on('say', ({ data }) => postMessage(data));
      await room.join();
      postMessage(client.session);
      await room.publish('say', 'from the worker');`;
    window.said = [];
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
    return new Promise((resolve) => {
      worker.onmessage = ({ data }) => {
        resolve(data);
        window.said.push(data);
      };
    });
  });
  assert.equal(worked, await first.session());
  await until(async () => (await seen(bob, 'work')).includes('from the worker'), () => bob.story('hears the worker'));
  await first.close();
  await say(bob, 'work', 'to the worker');
  await until(async () => (await second.ask(() => window.said)).includes('to the worker'), () => second.story('is told by its worker'));
  assert.deepEqual(await second.ask(() => window.said.slice(1)), ['from the worker', 'to the worker']);
});
