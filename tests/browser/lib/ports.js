import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems hand out by themselves, so that no connection takes one before it is used. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 100;

const given = new Set();

/** Whether TCP and UDP, and UDP at the port behind it (WebRTC's, where nothing else is said), can be had. */
async function isFree(host, port) {
  const server = createServer();
  const sockets = [createSocket(host.includes(':') ? 'udp6' : 'udp4'), createSocket(host.includes(':') ? 'udp6' : 'udp4')];
  try {
    server.listen(port, host);
    await once(server, 'listening');
    for (const [i, socket] of sockets.entries()) {
      socket.bind({ port: port + i, address: host, exclusive: true });
      await once(socket, 'listening');
    }
    return true;
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    return false;
  } finally {
    const ends = [server, ...sockets].map((one) => new Promise((resolve) => one.close(resolve)));
    await Promise.all(ends);
  }
}

/** A port that nobody has and that nobody in this process is given again; at random, so that processes that look at the same time find
 * different ones. */
export async function freePort(host = '127.0.0.1') {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST + 2 * Math.floor(Math.random() * ((LAST - FIRST) / 2));
    if (given.has(port) || !(await isFree(host, port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port at ${host} among ${TRIES}`);
}
