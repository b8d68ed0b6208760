import { freePort } from './ports.js';
import { Process, binary, until } from './process.js';

const READY_MS = 20_000;

/** A hub in dev mode on a free port of 127.0.0.1, or another address of this machine (`host`). Its WebTransport, which passes by every proxy on TCP, only where a case is about it. */
export class Hub {
  static async start({ args = [], env = {}, webtransport = false, host = '127.0.0.1' } = {}) {
    const hub = new Hub();
    hub.address = `${host}:${await freePort(host)}`;
    hub.origin = `http://${hub.address}`;
    hub.command = [['serve', '--dev', '--listen', hub.address, '--set', `transports.webtransport.enabled=${webtransport}`, ...args], { log: 'hub', env }];
    await hub.run();
    return hub;
  }

  async run() {
    this.process = new Process(binary('crosspoint'), ...this.command);
    const ready = async () => (await fetch(`${this.origin}/readyz`).catch(() => null))?.ok;
    const ended = this.process.exited.then(({ code }) => {
      throw new Error(`the hub ended with ${code}: see tests/output/hub.log`);
    });
    ended.catch(() => {});
    await Promise.race([until(ready, 'the hub is ready', READY_MS), ended, this.process.failed]);
  }

  stop() {
    return this.process.stop();
  }

  /** Ends and comes back at the same address, with nothing remembered. Returns how the first life ended. */
  async restart() {
    const end = await this.stop();
    await this.run();
    return end;
  }
}
