// Two worlds for one page and one server script: socket.io's own, and the hub's.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Server as SocketIo } from 'socket.io';
import { Server as HubIo } from '../../../static/sdk/dist/crosspoint-io-server.js';
import { install } from '../socketio/server.js';
import { brokenByProxy, launch, openPage } from './browser.js';
import { Hub } from './hub.js';
import { top, until } from './process.js';
import { FaultProxy } from './proxy.js';

const IMPORT = "from 'socket.io-client'";
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

/** Serves the page with its import from `source`. */
async function pages(source) {
  const server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const path = pathname === '/client.js'
      ? join(top, 'tests/browser/node_modules/socket.io-client/dist/socket.io.esm.min.js')
      : join(top, 'tests/browser/socketio', pathname === '/' ? 'index.html' : pathname);
    let text = await readFile(path, 'utf8').catch(() => null);
    if (pathname === '/chat.js') {
      if (text.split(IMPORT).length !== 2) throw new Error('the page has one import');
      text = text.replace(IMPORT, `from '${source}'`);
    }
    response.writeHead(text === null ? 404 : 200, { 'content-type': TYPES[extname(path)] ?? 'text/plain' }).end(text);
  });
  const port = await listening(server);
  return { origin: `http://localhost:${port}`, stop: () => server.close() };
}

export const worlds = {
  /** socket.io and socket.io-client as they are. */
  async socketio({ recovery }) {
    const http = createServer();
    const io = new SocketIo(http, { cors: { origin: '*' }, serveClient: false, ...(recovery && { connectionStateRecovery: {} }) });
    install(io);
    const address = `127.0.0.1:${await listening(http)}`;
    return { address, source: '/client.js', stop: () => io.close() };
  },
  /** The hub; the page's import and the server's are all that differs. */
  async hub() {
    const hub = await Hub.start();
    const io = new HubIo(hub.origin);
    const errors = [];
    io.on('error', (error) => errors.push(error));
    install(io);
    io.of('/desk');
    await io.ready();
    const stop = async () => {
      await io.close();
      await hub.stop();
    };
    return { address: hub.address, source: `${hub.origin}/sdk/crosspoint-io.js`, io, hub, errors, stop };
  },
};

/** A world with its pages, and proxies where they are wanted. */
export class Chat {
  static async open(world, options) {
    const chat = new Chat();
    chat.open = [];
    Object.assign(chat, await world(options));
    chat.pages = await pages(chat.source);
    chat.browser = await launch();
    return chat;
  }

  async proxy(rules) {
    const proxy = await FaultProxy.start(this.address, rules);
    this.open.push(() => proxy.stop());
    return proxy;
  }

  /** Somebody opens the page. */
  async person(name, origin = `http://${this.address}`) {
    const { page, wrong } = await openPage(this.browser);
    await page.goto(`${this.pages.origin}/?name=${name}&server=${encodeURIComponent(origin)}`);
    return new Talker(name, page, wrong);
  }

  async close() {
    await this.browser.close();
    for (const end of this.open) await end();
    await this.stop();
    this.pages.stop();
  }
}

/** A person at the page. */
class Talker {
  constructor(name, page, wrong) {
    Object.assign(this, { name, page, wrong });
  }

  log() {
    return this.page.evaluate(() => globalThis.chat.log);
  }

  /** Calls one of the page's functions. */
  do(what, ...args) {
    return this.page.evaluate(([what, args]) => globalThis.chat[what](...args), [what, args]);
  }

  /** Waits until the log has such an entry behind the first `after`. */
  async sees(fits, after = 0) {
    const story = async () => `${this.name} sees ${fits}\n${(await this.log()).map((e) => JSON.stringify(e)).join('\n')}\n${this.wrong.join('\n')}\n`;
    await until(async () => (await this.log()).slice(after).some(fits), story);
  }

  /** Waits for an event of this kind with these words somewhere in it, behind what was there before. */
  has(kind, words = '', after = 0) {
    return this.sees(Object.assign(([first, ...rest]) => first === kind && JSON.stringify(rest).includes(words), { toString: () => `${kind} ${words}` }), after);
  }

  async length() {
    return (await this.log()).length;
  }

  /** What went wrong in the page that no proxy caused. */
  quiet() {
    return this.wrong.filter((line) => !brokenByProxy(line));
  }
}
