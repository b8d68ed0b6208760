import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';
import { until } from '../lib/process.js';

const stage = scene();
const RATE = 50;

/** A browser with tabs of Alice that share, and a witness elsewhere; all publish. */
async function together(t, room, tabs, options = {}, keeps = false) {
  const browser = await launch(undefined, { keeps });
  t.after(() => browser.close());
  const [context, elsewhere] = [await browser.newContext(), await browser.newContext()];
  const { origin } = stage.hub;
  const witness = await Tab.open(elsewhere, origin, { name: 'witness', room, user: 'witness' });
  await witness.entered();
  const all = [];
  const join = async (name) => {
    const at = keeps ? '/demo/words.js' : undefined;
    const tab = await Tab.open(context, origin, { name, room, at, user: 'alice', tabs: 'shared', ...options });
    await tab.entered();
    all.push(tab);
    return tab;
  };
  for (let i = 0; i < tabs; i++) await join(`tab${i}`);
  return { browser, context, witness, tabs: all, join };
}

/** All stop; every number of everyone came to everyone once and in order, in one session, and Alice was there all the time. */
async function assertComplete({ witness, tabs }, gone = []) {
  const live = [witness, ...tabs];
  const lasts = await Promise.all(live.map((tab) => tab.stop()));
  for (const listener of live) {
    for (const [i, sender] of live.entries()) await listener.heardAll(sender.name, lasts[i]);
    for (const { name } of gone) {
      const heard = await listener.heard(name);
      if (heard) assert.deepEqual([heard.lost, heard.doubled], [0, 0], `${listener.name} of ${name}, who is gone`);
    }
  }
  const logs = await Promise.all(live.map((tab) => tab.log()));
  assert.deepEqual(logs[0].filter((line) => / (joined|left) alice/.test(line)).length, 1, logs[0].join('\n'));
  for (const log of logs) {
    assert.deepEqual(log.filter((line) => / gap | error /.test(line)), [], log.join('\n'));
    assert.equal(log.filter((line) => / session .* false$/.test(line)).length, 1, log.join('\n'));
  }
  const sessions = new Set(await Promise.all(tabs.map((tab) => tab.session())));
  assert.equal(sessions.size, 1);
  for (const { wrong } of live) assert.deepEqual(wrong, []);
}

/** All publish, and the last tab hears everyone. */
async function flowing({ witness, tabs }) {
  await Promise.all([witness, ...tabs].map((tab) => tab.start(RATE)));
  for (const { name } of [witness, ...tabs]) await tabs.at(-1).hears(name);
}

/** What else than a clean close ends a leader. */
const ends = {
  'closes': (page) => page.close(),
  'crashes': async (page, context) => {
    const cdp = await context.newCDPSession(page);
    const crashed = new Promise((resolve) => page.once('crash', resolve));
    cdp.send('Page.crash').catch(() => {});
    await crashed;
  },
};

for (const [how, end] of Object.entries(ends)) {
  test(`two tabs share one session; the leader ${how} under traffic both ways`, async (t) => {
    const people = await together(t, `leader-${how}`, 2);
    const [first, second] = people.tabs;
    const session = await first.session();
    assert.equal(await second.session(), session);
    await flowing(people);
    await end(first.page, people.context);
    people.tabs.shift();
    await second.hears('witness', 2 * RATE);
    assert.equal(await second.session(), session, await second.story('goes on'));
    await assertComplete(people, [first]);
  });
}

test('eight tabs; leaders close one after another until one tab is left', async (t) => {
  const people = await together(t, 'eight', 8);
  const session = await people.tabs[0].session();
  await flowing(people);
  const gone = [];
  while (people.tabs.length > 1) {
    const leader = people.tabs.shift();
    await leader.close();
    gone.push(leader);
    await people.tabs.at(-1).hears('witness', RATE / 2);
    await people.witness.hears(people.tabs[0].name, RATE / 4);
  }
  assert.equal(await people.tabs[0].session(), session);
  await assertComplete(people, gone);
});

test('a follower closes', async (t) => {
  const people = await together(t, 'follower-closes', 3);
  const [first, second, third] = people.tabs;
  await flowing(people);
  await second.close();
  people.tabs.splice(1, 1);
  await third.hears('witness', RATE);
  await first.hears('witness', RATE);
  await assertComplete(people, [second]);
});

test('the leader is frozen, and comes back as a follower', async (t) => {
  const people = await together(t, 'frozen', 2);
  const [first, second] = people.tabs;
  const session = await first.session();
  await flowing(people);
  const lastOfFirst = await first.stop();
  const cdp = await people.context.newCDPSession(first.page);
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  await second.hears('witness', 2 * RATE);
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await first.hears('witness', RATE);
  await first.start(RATE);
  await people.witness.hears('tab0');
  assert.ok(lastOfFirst > 0);
  assert.equal(await second.session(), session);
  await assertComplete(people);
});

test('the leader goes elsewhere, and comes back as the page it was', async (t) => {
  const people = await together(t, 'chat:elsewhere', 2, {}, true);
  const [first, second] = people.tabs;
  const session = await first.session();
  await flowing(people);
  await first.stop();
  await first.page.goto(`${stage.hub.origin}/demo/dom.js`);
  await second.hears('witness', 2 * RATE);
  await first.back();
  await first.hears('witness', RATE);
  await first.start(RATE);
  await people.witness.hears('tab0');
  assert.equal(await first.session(), session);
  await assertComplete(people);
});

test('the leader hangs: another one takes over, and it follows when it wakes', async (t) => {
  const people = await together(t, 'hangs', 2);
  const [first, second] = people.tabs;
  const session = await first.session();
  await flowing(people);
  const hung = first.ask(() => {
    const end = Date.now() + 5_000;
    while (Date.now() < end);
  });
  await until(async () => (await second.log()).filter((line) => / transport /.test(line)).length > 1, () => second.story('takes over'), 4_000);
  await second.hears('witness', RATE);
  await hung;
  await first.hears('witness', RATE);
  await first.hears('tab1', RATE);
  await people.witness.hears('tab0', RATE);
  assert.equal(await second.session(), session);
  await assertComplete(people);
});

test('the leader closes twenty times in a row under traffic', async (t) => {
  const people = await together(t, 'twenty', 2);
  const session = await people.tabs[0].session();
  await flowing(people);
  const gone = [];
  for (let i = 0; i < 20; i++) {
    const leader = people.tabs.shift();
    await leader.close();
    gone.push(leader);
    const next = await people.join(`next${i}`);
    await next.start(RATE);
    await people.tabs[0].hears('witness', RATE / 2);
    await people.tabs[0].hears(next.name, RATE / 4);
  }
  assert.equal(await people.tabs[0].session(), session);
  await assertComplete(people, gone);
});
