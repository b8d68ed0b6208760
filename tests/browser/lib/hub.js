import { once } from 'node:events';
import { createServer } from 'node:net';
import { Process, binary, until } from './process.js';

const READY_MS = 20_000;

/** A hub in dev mode on a free port of 127.0.0.1. */
export class Hub {
  static async start({ args = [], env = {} } = {}) {
    const hub = new Hub();
    hub.address = `127.0.0.1:${await freePort()}`;
    hub.origin = `http://${hub.address}`;
    hub.process = new Process(binary('crosspoint'), ['serve', '--dev', '--listen', hub.address, ...args], { log: 'hub', env });
    const ready = async () => (await fetch(`${hub.origin}/readyz`).catch(() => null))?.ok;
    const ended = hub.process.exited.then(({ code }) => {
      throw new Error(`the hub ended with ${code}: see tests/output/hub.log`);
    });
    await Promise.race([until(ready, 'the hub is ready', READY_MS), ended, hub.process.failed]);
    ended.catch(() => {});
    return hub;
  }

  stop() {
    return this.process.stop();
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
