import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { until } from '../../browser/lib/process.js';

/** Below the ports that the kernel gives away by itself. */
const FIRST = 20_000;
const COUNT = 12_000;

let next = process.pid % COUNT;

/** A port of 127.0.0.1 that nobody uses, and that nobody here is given again. */
export async function freePort() {
  for (let tries = 0; tries < COUNT; tries++) {
    next = (next + 1) % COUNT;
    const port = FIRST + next;
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no port is free');
}

/** Waits until somebody listens there. */
export function listening(address) {
  const [host, port] = address.split(':');
  const look = () =>
    new Promise((resolve) => {
      const socket = connect(Number(port), host, () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  return until(look, `${address} listens`, 30_000);
}
