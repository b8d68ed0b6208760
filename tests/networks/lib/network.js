import { Front } from './front.js';
import { Namespace } from './namespace.js';

const PLAIN = {};
/** What happens to running connections at the two changes, unless a network's file says otherwise. */
const TURNS = [{ running: 'swallow' }, { running: 'reset' }];

/** A network of the laboratory while it stands. The fields of `definition` are described in ../README.md. */
export class Network {
  constructor(lab, name, definition, all) {
    Object.assign(this, { lab, name, definition, all });
    this.scheme = definition.scheme ?? 'http';
  }

  async start() {
    const { lab, name, definition, scheme } = this;
    this.hub = await lab.hub(scheme);
    this.front = await Front.start(await lab.box(name, definition), definition.rules);
    lab.ends.push(() => this.front.stop());
    // A forward proxy is named to the browser; anything else stands where the hub seems to be.
    const forward = definition.forward === true;
    this.origin = `${scheme}://${forward ? this.hub : this.front.address}`;
    this.proxy = forward ? { server: this.front.origin } : undefined;
    this.peer = `${scheme}://${this.hub}`;
    const { becomes } = definition;
    if (typeof becomes === 'string') this.other = await lab.box(becomes, this.all.get(becomes));
    else if (becomes) this.other = await lab.box(`${name}-other`, { ...definition, ...becomes });
  }

  browser() {
    return this.lab.browser(this.definition.flags);
  }

  /** Where the browser finds the hub's files: a page can be loaded though the network isn't kind to links. */
  async loading(load) {
    const { loads, rules } = this.definition;
    if (loads) await this.front.rules(loads);
    await load();
    if (loads) await this.front.rules(rules);
  }

  /** Changes the network's behaviour for the first or the second time (0, 1). Returns how many connections ran. */
  async turn(number) {
    const { definition, front, other } = this;
    const { running, rules, hole_ms } = { ...TURNS[number], ...definition.turns?.[number] };
    if (other) await front.route(number === 1 ? await this.lab.box(this.name, definition) : other);
    if (rules) await front.rules(rules);
    if (hole_ms) setTimeout(() => void front.rules(definition.rules ?? PLAIN), hole_ms);
    return running === 'keep' ? (await front.proxy.order('GET', '/connections')).length : front.end(running);
  }

  /** Cuts the running connections the way this network is about; new ones pass. */
  cut() {
    return this.front.end(this.definition.cut ?? 'swallow');
  }
}

/** A network whose hub lives in a namespace of its own: the browser's packets go there and nowhere else. */
export class SpaceNetwork {
  constructor(lab, name, definition, number) {
    Object.assign(this, { lab, name, definition, number });
  }

  async start() {
    const { lab, definition } = this;
    this.front = await Namespace.make(this.number, definition.space);
    lab.ends.push(() => this.front.stop());
    const address = `${this.front.address}:3001`;
    // No browser trusts the laboratory's authority for QUIC.
    const args = ['--set', 'transports.webtransport.self_signed=true'];
    await lab.startHub('https', address, { args, wrap: this.front.exec });
    this.origin = this.peer = `https://${address}`;
  }

  browser() {
    return this.lab.browser(this.definition.flags);
  }

  loading(load) {
    return load();
  }

  async turn(number) {
    const { running, rules } = { ...TURNS[number], ...this.definition.turns[number] };
    await this.front.rules(rules);
    return this.front.end(running);
  }

  cut() {
    return this.front.end('swallow');
  }
}
