import assert from 'node:assert/strict';
import { launch } from './browser.js';
import { PEER_FLAGS } from './peer.js';
import { until } from './process.js';

const CALL_FLAGS = [...PEER_FLAGS, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** A Chromium whose camera and microphone are made up, and which nobody has to ask. */
export const launchCalls = () => launch(CALL_FLAGS);

/** A page of somebody who calls and is called. */
export class Caller {
  /** `context`: of the browser; pages of one share their session if `options` say so. `room`: joined at once. */
  static async open(context, origin, { name, room = null, options = {} }) {
    const one = new Caller();
    one.name = name;
    one.page = await context.newPage();
    one.wrong = [];
    one.page.on('pageerror', (error) => one.wrong.push(`${name}: ${error.stack ?? error.message}`));
    await one.page.goto(`${origin}/healthz`);
    await one.page.evaluate(beHere, { name, room, options });
    return one;
  }

  ask(fn, arg) {
    return this.page.evaluate(fn, arg);
  }

  join(options = {}) {
    return this.ask((options) => window.caller.join(options), options);
  }

  /** Waits until the page says so. */
  async sees(what, fn, arg) {
    await until(() => this.ask(fn, arg), () => this.story(what));
  }

  /** Who is in the call with what on: `{Bob: 'audio video'}`. */
  async members(wanted) {
    const seen = () => this.ask(() => Object.fromEntries(window.caller.call.list.map(({ user, audio, video }) => [user, [audio && 'audio', video && 'video'].filter(Boolean).join(' ')])));
    const sorted = (members) => JSON.stringify(Object.entries(members).sort());
    await until(async () => sorted(await seen()) === sorted(wanted), () => this.story(`is in a call with ${JSON.stringify(wanted)}`));
  }

  /** Frames of somebody's video that were decoded so far, over all connections. */
  decoded(user) {
    return this.ask((user) => window.caller.decoded(user), user);
  }

  /** Waits until so many further frames of each of these are decoded. */
  async watches(users, more = 10) {
    const before = await Promise.all(users.map((user) => this.decoded(user)));
    await until(async () => (await Promise.all(users.map((user) => this.decoded(user)))).every((now, i) => now >= before[i] + more), () => this.story(`watches ${users}`));
  }

  /** How often what was negotiated: `{connections, offers, answers, needed}`. */
  negotiated() {
    return this.ask(() => ({ connections: window.caller.connections.length, ...window.caller.counts }));
  }

  /** Waits until nothing has been negotiated for a while, and says what was. */
  async calm() {
    const quiet = () => this.ask(() => window.caller.connections.every((pc) => pc.signalingState === 'stable' || pc.signalingState === 'closed') && performance.now() - window.caller.counts.at > 500);
    await until(quiet, () => this.story('negotiates no more'));
    return this.negotiated();
  }

  log() {
    return this.ask(() => window.caller.log);
  }

  async story(wanted) {
    const state = await this.ask(() => JSON.stringify({ list: window.caller.call.list.map(({ user, session, audio, video, via }) => ({ user, session, audio, video, via })), counts: window.caller.counts, log: window.caller.log.slice(-40) }, null, 1)).catch(String);
    return `${this.name} ${wanted}: ${state}\n${this.wrong.join('\n')}`;
  }

  assertQuiet() {
    assert.deepEqual(this.wrong, []);
  }

  close() {
    return this.page.close({ runBeforeUnload: true });
  }
}

/** Runs in the page. */
async function beHere({ name, room: roomName, options }) {
  const { connect } = await import('/sdk/crosspoint.js');
  const connections = [];
  const counts = { offers: 0, answers: 0, needed: 0, at: 0 };
  const count = (what) => {
    counts[what] += 1;
    counts.at = performance.now();
  };
  const log = [];
  const note = (what) => log.push(`${Math.round(performance.now())} ${what}`);
  class Watched extends RTCPeerConnection {
    constructor(config) {
      super(config);
      connections.push(this);
      counts.at = performance.now();
      this.addEventListener('negotiationneeded', () => count('needed'));
      this.addEventListener('connectionstatechange', () => note(`connection ${connections.indexOf(this) + 1} ${this.connectionState}`));
    }

    async setLocalDescription(...args) {
      await super.setLocalDescription(...args);
      count(this.localDescription?.type === 'offer' ? 'offers' : 'answers');
    }

    async setRemoteDescription(description) {
      counts.at = performance.now();
      await super.setRemoteDescription(description);
    }
  }
  // A link of the hub's own WebRTC would count as well.
  const client = connect(location.origin, { user: name, RTCPeerConnection: Watched, transports: ['websocket', 'sse'], ...options });
  client.on('error', (error) => note(`error ${error.code} ${error.message}`));
  client.on('state', ({ state }) => note(`state ${state}`));
  const small = { video: { width: 160, height: 120, frameRate: 10 } };
  const videos = new Map();
  const caller = (window.caller = {
    client, connections, counts, log, incoming: null, rung: null, calls: [], shown: {},
    enter(name) {
      const room = (caller.room = client.room(name));
      const call = (caller.call = room.call);
      call.on('join', ({ user }) => note(`join ${user}`));
      call.on('leave', ({ user, code }) => note(`leave ${user} ${code}`));
      call.on('update', ({ user, audio, video, via }) => note(`update ${user} ${audio} ${video} ${via}`));
      call.on('state', ({ joined, audio, video, error }) => note(`state ${joined} ${audio} ${video} ${error?.code}`));
      call.on('stream', ({ peer, stream }) => {
        note(`stream ${peer.user}`);
        caller.shown[peer.user] = (caller.shown[peer.user] ?? 0) + 1;
        const video = document.createElement('video');
        Object.assign(video, { srcObject: stream, muted: true, autoplay: true, playsInline: true });
        videos.get(peer.user)?.remove();
        videos.set(peer.user, video);
        document.body.append(video);
      });
      return room;
    },
    async join(more) {
      return (await caller.call.join({ audio: true, ...small, ...more })).map(({ user }) => user);
    },
    /** Answers what rings. */
    async accept() {
      caller.enter(caller.incoming.room);
      await caller.incoming.accept({ audio: true, ...small });
    },
    async decoded(user) {
      const stream = caller.call.list.find((peer) => peer.user === user)?.stream;
      let frames = 0;
      for (const track of stream?.getVideoTracks() ?? []) {
        for (const pc of connections) {
          const receiver = pc.getReceivers().find((receiver) => receiver.track === track);
          for (const stat of (await receiver?.getStats())?.values() ?? []) if (stat.type === 'inbound-rtp') frames += stat.framesDecoded ?? 0;
        }
      }
      return frames;
    },
  });
  client.calls.on('incoming', (call) => {
    note(`incoming ${call.from.user} ${call.room}`);
    caller.calls.push(call);
    caller.incoming = call;
  });
  client.calls.on('end', ({ call, reason, here }) => note(`end ${call.from.user} ${reason} ${here}`));
  await client.ready();
  if (roomName) await caller.enter(roomName).join();
  // What calls take has been loaded by now.
  while (!performance.getEntriesByName(`${location.origin}/sdk/crosspoint-calls.js`).length) await new Promise((resolve) => setTimeout(resolve, 10));
}
