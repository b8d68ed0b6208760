import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../browser/lib/process.js';
import { Pair } from './pair.js';
import { talker } from './talker.js';

export const TRAFFIC_MS = 60_000;
const PER_SECOND = 10;
const BYTES = 100;
/** How long a better transport than the first may take to come about. */
const SETTLE_MS = 30_000;
/** How long what is under way may still take when nobody sends any more. */
const LATE_MS = 20_000;

/** A network, its people, and what is measured of them. */
export class Measurement {
  constructor(network) {
    this.network = network;
    this.name = network.name;
    this.definition = network.definition;
    this.pairs = [];
    this.wrong = [];
    this.connects = [];
  }

  begin() {
    return this.part('standing', async () => {
      await this.network.start();
      for (let i = 0; i < (this.definition.tabs ?? 1); i++) this.pairs.push(new Pair(this.network, i));
    });
  }

  /** Does one part; what fails is noted, and the others go on. */
  async part(what, work) {
    try {
      return await work();
    } catch (error) {
      this.wrong.push(`${what}: ${error.message}`);
    }
  }

  /** Opens the pages, in a browser without any memory of this network. */
  load() {
    return this.part('first', async () => {
      await this.leave();
      const { proxy } = this.network;
      const browser = await this.network.browser();
      this.context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, proxy });
      await this.context.addInitScript(`window.talker = ${talker}`);
      await Promise.all(this.pairs.map(async (pair) => pair.load(await this.context.newPage())));
    });
  }

  /** Connects, all pages at once. */
  connect() {
    return this.part('first', async () => {
      this.connects.push(...(await Promise.all(this.pairs.map((pair) => pair.connect()))));
    });
  }

  get first() {
    const times = this.connects.map(({ ms }) => ms).sort((a, b) => a - b);
    if (times.length === 0) return undefined;
    const winners = tally(this.connects.map(({ transport }) => transport));
    return { median: times[Math.floor(times.length / 2)], worst: times.at(-1), winner: winners[0][0], winners };
  }

  /** Where times are over their limits: forgets them. */
  forget() {
    this.connects = [];
  }

  async leave() {
    await this.context?.close();
    this.context = null;
  }

  /** Numbers both ways, from the pages that connected last, while the network changes its behaviour, and changes it back. */
  traffic(offset_ms) {
    return this.part('flow', async () => {
      await this.settled();
      for (const pair of this.pairs) await pair.stream(PER_SECOND / this.pairs.length, this.definition.bytes ?? BYTES);
      await sleep(TRAFFIC_MS / 3 + offset_ms);
      const turns = [await this.network.turn(0)];
      await sleep(TRAFFIC_MS / 3);
      turns.push(await this.network.turn(1));
      await sleep(TRAFFIC_MS / 3 - offset_ms);
      const parts = await Promise.all(this.pairs.map((pair) => pair.stop(LATE_MS)));
      const sum = (what) => parts.reduce((total, part) => total + part[what], 0);
      this.flow = { turns, sent: sum('sent'), lost: sum('lost'), doubled: sum('doubled'), swapped: sum('swapped'), gaps: sum('gaps'), parts };
    });
  }

  /** Cuts the link that runs, while next to nothing is said. */
  cut() {
    return this.part('recovery', async () => {
      await this.settled();
      await this.network.cut();
      const since = Date.now();
      const all = await Promise.all(this.pairs.map((pair) => pair.recover(`cut-${since}`, since, LATE_MS)));
      const worst = (what) => Math.max(...all.map((one) => one[what]));
      this.recovery = { noticed: worst('noticed'), moved: worst('moved') };
    });
  }

  /** Waits until all are connected, by the transport that they should move up to. */
  settled() {
    const { settles } = this.definition;
    const seen = ({ state, transport }) => state === 'connected' && (!settles || transport === settles);
    const look = async (pair) => seen(await pair.near(() => ({ state: me.client.state, transport: me.client.transport })));
    const what = `${this.name} is connected${settles ? ` by ${settles}` : ''}`;
    return Promise.all(this.pairs.map((pair) => until(() => look(pair), what, SETTLE_MS)));
  }

  async story() {
    const logs = await Promise.all(this.pairs.map(async (pair) => ({ near: await pair.log().catch(String), far: pair.far.log })));
    return { name: this.name, wrong: this.wrong, first: this.first, flow: this.flow, recovery: this.recovery, logs };
  }

  async end() {
    await this.leave().catch(() => {});
    for (const pair of this.pairs) pair.close();
  }
}

/** The names by how often they come: the usual one first. */
function tally(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
