import assert from 'node:assert/strict';
import { launch } from './browser.js';
import { until } from './process.js';

/** Chromium names hosts by mDNS, which needs a multicast that test machines may not have; and it may use UDP here. */
export const PEER_FLAGS = ['--disable-features=WebRtcHideLocalIpsWithMdns', '--allow-loopback-in-peer-connection'];

/** A page in a browser of its own that is among the peers of a room, and counts the numbers that it hears. */
export class PeerPage {
  /** `peers`: options of `peers.join`; `options`: the SDK's; `context`: of a page that is open already, to be beside it. */
  static async open(origin, { name, room, peers = {}, options = {}, flags = PEER_FLAGS, browser, context }) {
    const one = new PeerPage();
    one.name = name;
    one.browser = context?.browser() ?? browser ?? (await launch(flags));
    one.page = await (context ?? (await one.browser.newContext())).newPage();
    one.wrong = [];
    one.page.on('pageerror', (error) => one.wrong.push(`${name}: ${error.stack ?? error.message}`));
    await one.page.goto(`${origin}/healthz`);
    one.here = { name, room, peers, options };
    await one.page.evaluate(beHere, one.here);
    return one;
  }

  /** As if by the reload button: the page begins anew, the browser keeps what it keeps. */
  async reload() {
    await this.page.reload();
    await this.page.evaluate(beHere, this.here);
  }

  ask(fn, arg) {
    return this.page.evaluate(fn, arg);
  }

  session() {
    return this.ask(() => window.peer.client.session);
  }

  /** How this page reaches the others, by name. */
  ways() {
    return this.ask(() => Object.fromEntries(window.peer.peers.list.map(({ user, via }) => [user, via])));
  }

  /** Waits until all of these are reached so. */
  async reaches(ways, ms) {
    const fits = async () => JSON.stringify(Object.entries(await this.ways()).sort()) === JSON.stringify(Object.entries(ways).sort());
    await until(fits, () => this.story(`reaches ${JSON.stringify(ways)}`), ms);
  }

  start(rate) {
    return this.ask((rate) => window.peer.start(rate), rate);
  }

  /** Resolves with the last number when all have arrived. */
  stop() {
    return this.ask(() => window.peer.stop());
  }

  heard(name) {
    return this.ask((name) => window.peer.heard[name] ?? null, name);
  }

  /** Waits for further numbers of somebody; `via`: that come this way. */
  async hears(name, more = 20, via = null, ms = undefined) {
    const count = async () => {
      const heard = await this.heard(name);
      return via ? (heard?.vias[via] ?? 0) : (heard?.received ?? 0);
    };
    const before = await count();
    await until(async () => (await count()) >= before + more, () => this.story(`hears ${name} by ${via}`), ms);
  }

  async heardAll(name, last) {
    await until(async () => ((await this.heard(name))?.last ?? 0) >= last, () => this.story(`has ${name}'s number ${last}`));
    const { first, received, lost, doubled, swapped } = await this.heard(name);
    assert.deepEqual({ lost, doubled, swapped, complete: received === last - first + 1 }, { lost: 0, doubled: 0, swapped: 0, complete: true }, `${this.name} of ${name}`);
  }

  /** Ends all RTCPeerConnections, as a browser might. */
  cut() {
    return this.ask(() => {
      for (const pc of window.peer.connections) pc.close();
    });
  }

  async story(wanted) {
    const state = await this.ask(() => JSON.stringify({ list: window.peer.peers.list, heard: window.peer.heard, log: window.peer.log.slice(-40) }, null, 1)).catch(String);
    return `${this.name} ${wanted}: ${state}\n${this.wrong.join('\n')}`;
  }

  assertQuiet() {
    assert.deepEqual(this.wrong, []);
  }

  async close() {
    await this.browser.close();
  }
}

/** Runs in the page. */
async function beHere({ name, room: roomName, peers: joining, options }) {
  const { connect } = await import('/sdk/crosspoint.js');
  const connections = [];
  const log = [];
  const note = (what) => log.push(`${Math.round(performance.now())} ${what}`);
  class Watched extends RTCPeerConnection {
    constructor(config) {
      super(config);
      connections.push(this);
      const n = connections.length;
      note(`connection ${n} made`);
      this.addEventListener('connectionstatechange', () => note(`connection ${n} ${this.connectionState}`));
      this.addEventListener('signalingstatechange', () => note(`signaling ${n} ${this.signalingState}`));
    }
  }
  // The hub's own DataChannels would be among the connections.
  const client = connect(location.origin, { user: name, RTCPeerConnection: Watched, transports: ['websocket', 'sse'], ...options });
  client.on('error', (error) => note(`error ${error.code} ${error.message}`));
  client.on('state', ({ state }) => note(`state ${state}`));
  const room = client.room(roomName);
  const { peers } = room;
  /** SHA-256; in a page without a secure context, which has none, its words taken together. */
  const digest = async (file) => {
    const bytes = await file.arrayBuffer();
    if (!crypto.subtle) return String(new Uint32Array(bytes, 0, bytes.byteLength >> 2).reduce((sum, word) => (Math.imul(sum, 31) + word) | 0, 0));
    return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), (b) => b.toString(16).padStart(2, '0')).join('');
  };
  const heard = {};
  const messages = [];
  peers.on('message', ({ data, from, via, volatile }) => {
    if (typeof data?.n !== 'number') {
      messages.push({ data: data instanceof Uint8Array ? [...data] : data, from: from.user, via, volatile });
      return;
    }
    const h = (heard[from.user] ??= { first: data.n, last: data.n - 1, received: 0, lost: 0, doubled: 0, swapped: 0, vias: {} });
    h.received += 1;
    h.vias[via] = (h.vias[via] ?? 0) + 1;
    if (data.n === h.last) h.doubled += 1;
    else if (data.n < h.last) h.swapped += 1;
    else h.lost += data.n - h.last - 1;
    h.last = Math.max(h.last, data.n);
  });
  peers.on('join', ({ user, session }) => note(`join ${user} ${session}`));
  peers.on('leave', ({ user, code }) => note(`leave ${user} ${code}`));
  peers.on('path', ({ user, via, previous }) => note(`path ${user} ${previous} -> ${via}`));
  let n = 0;
  let timer = null;
  let last = null;
  const say = () => (last = peers.send({ n: ++n }));
  window.peer = {
    client, room, peers, heard, messages, log, connections, offers: [], digest,
    start(rate) {
      const began = performance.now() - (n / rate) * 1000;
      timer = setInterval(() => {
        while (n < ((performance.now() - began) * rate) / 1000) say().catch((error) => note(`not sent: ${error.code} ${error.message}`));
      }, 10);
    },
    /** Sends no more; the last one may still be on its way. */
    halt() {
      clearInterval(timer);
      return n;
    },
    async stop() {
      clearInterval(timer);
      await last;
      return n;
    },
  };
  room.files.on('offer', (offer) => {
    note(`offer ${offer.name} of ${offer.peer.user}`);
    window.peer.offers.push(offer);
  });
  await room.join();
  await peers.join(joining);
  note('joined');
}
