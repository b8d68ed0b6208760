// A hub that wants tokens and keys, a service with its key, and people who join calls; all behind fault proxies where a case wants it.
import { createHmac } from 'node:crypto';
import { FakeMediaStreamTrack } from 'fake-mediastreamtrack';
import { Device, FakeHandler, testFakeParameters } from 'mediasoup-client';
import { WebSocket } from 'ws';
import { createClient } from '../../../static/sdk/dist/crosspoint-plain.js';
import { Hub } from '../../browser/lib/hub.js';
import { FaultProxy } from '../../browser/lib/proxy.js';
import { joinCall } from './call.js';
import { Router } from './router.js';
import { SfuService } from './service.js';

export const KEY = 'the-api-key-of-the-sfu';
/** Node 20 has no WebSocket of its own; waits are short. */
const quick = { WebSocket, backoff: { min_ms: 20, max_ms: 200 } };
const SECRET = 'a secret of at least thirty-two bytes';

function token(user) {
  const part = (value) => Buffer.from(value).toString('base64url');
  const signed = `${part('{"alg":"HS256","typ":"JWT"}')}.${part(JSON.stringify({ sub: user }))}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** A router that counts what it is asked, and takes its time while it is held. */
export class SlowRouter extends Router {
  counts = {};
  waiting = 0;
  #gate = null;

  hold() {
    this.#gate = new Promise((resolve) => (this.release = resolve));
  }

  async #slowly(what, options) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.waiting += 1;
    await this.#gate;
    this.waiting -= 1;
    return super[what](options);
  }

  createWebRtcTransport() {
    return this.#slowly('createWebRtcTransport');
  }

  connect(options) {
    return this.#slowly('connect', options);
  }

  produce(options) {
    return this.#slowly('produce', options);
  }

  consume(options) {
    return this.#slowly('consume', options);
  }

  resume(options) {
    return this.#slowly('resume', options);
  }
}

export class Scene {
  router = new SlowRouter();
  #ends = [];

  static async start() {
    const scene = new Scene();
    const env = {
      CROSSPOINT_AUTH__JWT_SECRET: SECRET,
      CROSSPOINT_AUTH__SERVICES: `[{name = "sfu", key = "${KEY}"}]`,
    };
    scene.hub = await Hub.start({ args: ['--set', 'dev=false'], env });
    scene.#ends.push(() => scene.hub.stop());
    return scene;
  }

  /** An address of the hub with a fault proxy before it. */
  async proxy() {
    const proxy = await FaultProxy.start(this.hub.address);
    this.#ends.push(() => proxy.stop());
    return proxy;
  }

  async service(origin = this.hub.origin, options = {}) {
    this.sfu = await SfuService.start(origin, { key: KEY, newRouter: () => this.router, ...quick, ...options });
    this.#ends.push(() => this.sfu.close());
    return this.sfu;
  }

  async client(user, origin = this.hub.origin, options = {}) {
    const client = createClient({ url: origin, service: 'sfu', token: token(user), ...quick, ...options });
    this.#ends.push(() => client.disconnect());
    await client.connect();
    return client;
  }

  async call(user, roomId, origin, options) {
    const client = await this.client(user, origin, options);
    const device = new Device({ handlerFactory: FakeHandler.createFactory(testFakeParameters) });
    return joinCall(client, device, roomId);
  }

  async end() {
    for (const end of this.#ends.reverse()) await end();
  }
}

export const track = (kind) => new FakeMediaStreamTrack({ kind });
