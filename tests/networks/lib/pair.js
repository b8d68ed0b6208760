import { connect } from '../../../static/sdk/dist/crosspoint.js';
import { until, within } from '../../browser/lib/process.js';
import { talker } from './talker.js';

const FIRST_MESSAGE_MS = 20_000;

/** A person in a page behind a network, and one beside the hub, alone in a room. */
export class Pair {
  constructor(network, number) {
    this.network = network;
    this.room = `${network.name}-${number}`;
    this.far = talker(connect, network.peer, { user: 'far', room: this.room });
  }

  /** Loads a small page of the hub, and the SDK, which does not connect yet. */
  async load(page) {
    await this.network.loading(async () => {
      const loaded = await page.goto(`${this.network.origin}/sdk/version.d.ts`);
      if (!loaded.ok()) throw new Error(`the page: ${loaded.status()} ${(await loaded.text()).slice(0, 300)}`);
      await page.evaluate(() => import('/sdk/crosspoint.js').then(({ connect }) => (window.connect = connect)));
    });
    await this.far.joined;
    this.page = page;
  }

  /** Connects, and returns how long the first message took, and what carried it. */
  connect() {
    const { options } = this.network.definition;
    const first = this.page.evaluate(([room, options]) => {
      window.me = talker(connect, location.origin, { user: 'near', room, options });
      return me.hello('far');
    }, [this.room, options]);
    return within(first, FIRST_MESSAGE_MS, `the first message on ${this.network.name}`);
  }

  stream(perSecond, bytes) {
    this.far.stream(perSecond, bytes);
    return this.page.evaluate(([perSecond, bytes]) => me.stream(perSecond, bytes), [perSecond, bytes]);
  }

  /** Stops both, waits until every number has arrived, and says what became of them in both directions. */
  async stop(within_ms) {
    const farSent = this.far.stop();
    const nearSent = await this.page.evaluate(() => me.stop());
    const numbers = async () => ({ near: await this.near(() => me.numbers()), far: this.far.numbers() });
    const complete = ({ near, far }) => near.distinct >= farSent && far.distinct >= nearSent;
    // If they don't, it is counted.
    await until(async () => complete(await numbers()), 'all numbers', within_ms).catch(() => {});
    const { near, far } = await numbers();
    return {
      sent: farSent + nearSent,
      lost: farSent - near.distinct + nearSent - far.distinct,
      doubled: near.doubled + far.doubled,
      swapped: near.swapped + far.swapped,
      gaps: [...(await this.log()), ...this.far.log].filter(({ what }) => what === 'gap').length,
      detail: { down: { sent: farSent, ...near }, up: { sent: nearSent, ...far } },
    };
  }

  async near(see) {
    return this.page.evaluate(see);
  }

  log() {
    return this.near(() => me.log);
  }

  /** Both say one thing; resolves with when the page noticed that its link was dead, and when both had heard each other. */
  async recover(mark, since, within_ms) {
    void this.far.say('mark', { mark });
    const heard = (log) => log.find((entry) => entry.what === 'mark' && entry.mark === mark);
    await this.page.evaluate((mark) => void me.say('mark', { mark }), mark);
    const both = async () => heard(this.far.log) && heard(await this.log());
    await until(both, `both hear ${mark}`, within_ms);
    const log = await this.log();
    const moved = Math.max(heard(log).at, heard(this.far.log).at);
    const left = log.find(({ at, what }) => at >= since && (what === 'reconnecting' || what === 'transport'));
    // A poll that is lost is asked again, by another connection: the link need not be left for that.
    return { noticed: Math.min(left?.at ?? moved, moved) - since, moved: moved - since };
  }

  close() {
    this.far.close();
  }
}
