import assert from 'node:assert/strict';
import { until } from './process.js';

/** A page that uses the SDK by hand: its numbers, and what it hears, are counted in the page itself. */
export class Tab {
  /** Opens a page of the hub's origin and connects. `options` are the SDK's. Browsers don't keep pages that must not be stored, so
   * one that is to be kept is `at` another address. */
  static async open(context, origin, { name, room, at = '/healthz', ...options }) {
    const tab = new Tab();
    tab.name = name;
    tab.page = await context.newPage();
    tab.wrong = [];
    tab.page.on('pageerror', (error) => tab.wrong.push(`${name}: ${error.stack ?? error.message}`));
    await tab.page.goto(`${origin}${at}`);
    await tab.page.evaluate(connectHere, { name, room, options });
    return tab;
  }

  /** The first message may be sent. */
  async entered() {
    await until(() => this.ask(() => window.tab.entered), () => this.story('is in the room'));
  }

  ask(fn, arg) {
    return this.kept ? this.kept(fn, arg) : this.page.evaluate(fn, arg);
  }

  /** Goes back to the page that was left, which the browser has kept; playwright itself can't talk to such pages. */
  async back() {
    const cdp = await this.page.context().newCDPSession(this.page);
    await this.page.goBack({ waitUntil: 'commit' });
    this.kept = async (fn, arg) => {
      const expression = `(${fn})(${JSON.stringify(arg)})`;
      const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
  }

  session() {
    return this.ask(() => window.tab.client.session);
  }

  transport() {
    return this.ask(() => window.tab.client.transport);
  }

  /** Publishes numbers at so many a second, from where it stopped. */
  start(rate) {
    return this.ask((rate) => window.tab.start(rate), rate);
  }

  /** Stops; resolves with the number of the last one, when all are stored. */
  stop() {
    return this.ask(() => window.tab.stop());
  }

  heard(sender) {
    return this.ask((sender) => window.tab.heard[sender] ?? null, sender);
  }

  /** Waits until this tab has all of a sender's numbers, and asserts that each came once and in order. */
  async heardAll(sender, last) {
    await until(async () => ((await this.heard(sender))?.last ?? 0) >= last, () => this.story(`has ${sender}'s number ${last}`));
    const { first, received, lost, doubled } = await this.heard(sender);
    assert.deepEqual({ lost, doubled, complete: received === last - first + 1 }, { lost: 0, doubled: 0, complete: true }, `${this.name} of ${sender}`);
  }

  /** Waits for further numbers of a sender. */
  async hears(sender, more = 20) {
    const before = (await this.heard(sender))?.last ?? 0;
    await until(async () => ((await this.heard(sender))?.last ?? 0) >= before + more, () => this.story(`hears ${sender}`));
  }

  log() {
    return this.ask(() => window.tab.log);
  }

  async story(wanted) {
    const state = await this.ask(() => JSON.stringify({ heard: window.tab.heard, log: window.tab.log.slice(-20), state: window.tab.client.state, counters: window.tab.client.counters })).catch(String);
    return `${this.name} ${wanted}: ${state}\n${this.wrong.join('\n')}`;
  }

  close() {
    return this.page.close();
  }
}

/** Runs in the page. */
async function connectHere({ name, room: roomName, options }) {
  const { connect } = await import('/sdk/crosspoint.js');
  const client = connect(location.origin, options);
  const log = [];
  const heard = {};
  const note = (what) => log.push(`${Math.round(performance.now())} ${what}`);
  client.on('state', ({ state, error }) => note(`state ${state} ${error?.code ?? ''}`));
  client.on('transport', ({ transport, cause }) => note(`transport ${transport} ${cause}`));
  client.on('session', ({ session, resumed }) => note(`session ${session} ${resumed}`));
  client.on('gap', ({ room, reason, lost }) => note(`gap ${room} ${reason} ${lost ?? ''}`));
  client.on('error', (error) => note(`error ${error.code} ${error.message}`));
  const room = client.room(roomName, { presence: true });
  room.on('presence', ({ join, leave }) => {
    for (const { user } of join) note(`joined ${user}`);
    for (const user of leave) note(`left ${user}`);
  });
  room.on('number', ({ data }) => {
    const h = (heard[data.from] ??= { first: data.n, last: data.n - 1, received: 0, lost: 0, doubled: 0 });
    h.received += 1;
    if (data.n <= h.last) h.doubled += 1;
    else h.lost += data.n - h.last - 1;
    h.last = Math.max(h.last, data.n);
  });
  let n = 0;
  let timer = null;
  let last = null;
  window.tab = {
    client, room, log, heard, entered: false,
    get n() {
      return n;
    },
    publish: () => (last = room.publish('number', { from: name, n: ++n })),
    start(rate) {
      const began = performance.now() - (n / rate) * 1000;
      timer = setInterval(() => {
        while (n < ((performance.now() - began) * rate) / 1000) window.tab.publish();
      }, 10);
    },
    async stop() {
      clearInterval(timer);
      await last;
      return n;
    },
  };
  room.join().then(() => (window.tab.entered = true), (error) => note(`join failed ${error.code}`));
}
