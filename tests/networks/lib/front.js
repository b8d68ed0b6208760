import { FaultProxy } from '../../browser/lib/proxy.js';

/** How running connections end, by name. */
const ENDS = {
  /** No byte comes through in either direction, and nobody is told. */
  swallow: { up: { flow: 'swallow' }, down: { flow: 'swallow' } },
  up: { up: { flow: 'swallow' } },
  down: { down: { flow: 'swallow' } },
};

/** The fault proxy between the browser and a network's software: here networks change while connections run. */
export class Front {
  static async start(upstream, rules = {}) {
    const front = new Front();
    front.proxy = await FaultProxy.start(upstream, rules);
    front.origin = front.proxy.origin;
    front.address = front.origin.replace('http://', '');
    return front;
  }

  rules(rules) {
    return this.proxy.set(rules);
  }

  /** Where new connections go. */
  route(address) {
    return this.proxy.order('PUT', '/upstream', address);
  }

  /** What becomes of the connections that run now; new ones are not touched. Returns how many there were. */
  async end(how) {
    if (how === 'reset') return (await this.proxy.cut()).cut;
    if (how === 'half-open') return (await this.proxy.cut({ client: 'keep', upstream: 'close' })).cut;
    const running = await this.proxy.order('GET', '/connections');
    const set = ({ connection }) =>
      // It may have ended meanwhile.
      this.proxy.order('PUT', `/connections/${connection}/rules`, ENDS[how]).catch(() => {});
    await Promise.all(running.map(set));
    return running.length;
  }

  stop() {
    return this.proxy.stop();
  }
}
