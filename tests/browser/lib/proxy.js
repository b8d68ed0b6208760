import { Process, binary, until } from './process.js';

/** The fault proxy in front of a hub. Rules and log are described in ../../README.md. */
export class FaultProxy {
  static async start(upstream, rules = {}) {
    const proxy = new FaultProxy();
    proxy.process = new Process(binary('fault-proxy'), ['--upstream', upstream], { log: 'fault-proxy' });
    const { listen, control } = JSON.parse(await proxy.process.firstLine());
    proxy.origin = `http://${listen}`;
    proxy.control = `http://${control}`;
    await proxy.set(rules);
    return proxy;
  }

  async order(method, path, body) {
    const response = await fetch(this.control + path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`fault proxy: ${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Sets the rules for all connections; they hold when this resolves. */
  set(rules) {
    return this.order('PUT', '/rules', rules);
  }

  /** Ends connections now: `{select?, client?, upstream?}`. */
  cut(order = {}) {
    return this.order('POST', '/cut', order);
  }

  log(after = 0) {
    return this.order('GET', `/log?after=${after}`);
  }

  counters() {
    return this.order('GET', '/counters');
  }

  /** Waits for an entry of the log. */
  logged(fits, what) {
    return until(async () => (await this.log()).find(fits), what);
  }

  stop() {
    return this.process.stop();
  }
}

/** What the proxies that the issue is about do to a WebSocket, by name. */
export const websocketFaults = {
  'answers 400': { match: { upgrade: true }, do: { respond: { status: 400 } } },
  'strips the upgrade': { match: { upgrade: true }, do: 'strip_upgrade' },
  'is silent after the 101': { match: { upgrade: true }, do: 'silent_after_101' },
  'resets after the 101': { match: { upgrade: true }, do: { reset_after_101: {} } },
};
