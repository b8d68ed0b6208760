import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientImpl } from '../src/client.js';
import type { Clock } from '../src/clock.js';
import type { LinkContext, TransportName } from '../src/links/link.js';
import type { StoredFrame } from '../src/types.js';
import { FakeClock, offer } from './fakes.js';
import { ModelHub, random, type HubLink } from './hub.js';
import { MemoryStore, SharedDisk } from './stores.js';

/** A store whose writes take their time. */
class SlowStore extends MemoryStore {
  constructor(
    disk: SharedDisk,
    private readonly pause: () => Promise<void>,
  ) {
    super(disk);
  }

  override async write(put: StoredFrame[], remove: string[]): Promise<void> {
    await this.pause();
    await super.write(put, remove);
    await this.pause();
  }
}

/** A page, until it crashes: then nothing of it happens any more. */
class Page {
  private alive = true;
  private links: HubLink[] = [];
  private readonly store: SlowStore;
  readonly client: ClientImpl;
  /** What it published, and whether the store has it. */
  readonly published = new Map<string, boolean>();

  constructor(
    world: FakeClock,
    private readonly hub: ModelHub,
    disk: SharedDisk,
    dice: () => number,
  ) {
    const clock: Clock = { ...world, after: (ms, fn) => world.after(ms, () => this.alive && fn()) };
    const wait = () => new Promise<void>((resolve) => clock.after(dice() * 60, resolve));
    this.store = new SlowStore(disk, wait);
    this.client = new ClientImpl(
      'http://hub.test',
      {
        offline: { store: this.store },
        fetch: (async () => offer()) as typeof fetch,
        WebSocket: function () {} as unknown as typeof WebSocket,
      },
      clock,
      ({ transport }, context) => this.link(transport, context),
    );
    void this.client.room('r').join().catch(() => {});
  }

  publish(data: number): string {
    const { id } = this.client.room('r').publish('mine', data);
    this.published.set(id, false);
    void this.client.queue.saved().then(() => this.alive && this.published.set(id, true));
    return id;
  }

  cut(): void {
    this.links.at(-1)?.die();
  }

  crash(): void {
    this.alive = false;
    for (const link of this.links) link.close();
    this.store.crash();
  }

  private link(transport: TransportName, context: LinkContext): HubLink {
    const link = this.hub.make(transport, context) as HubLink;
    this.links.push(link);
    return link;
  }
}

async function run(seed: number): Promise<number> {
  const dice = random(seed * 2_654_435_761);
  const clock = new FakeClock();
  clock.random = dice;
  const hub = new ModelHub(clock, dice);
  const disk = new SharedDisk();
  const all: string[] = [];
  const pages: Page[] = [];
  const begin = () => pages.push(new Page(clock, hub, disk, dice));
  begin();
  let crashes = 0;
  for (let i = 0; i < 150; i++) {
    const page = pages.at(-1)!;
    const chance = dice();
    if (chance < 0.6) for (let n = dice() * 4; n > 0; n--) all.push(page.publish(i));
    else if (chance < 0.7) page.cut();
    else if (chance < 0.73) hub.blackHoles.add('websocket').add('sse').add('sse-poll');
    else if (chance < 0.8) hub.blackHoles.clear();
    else if (chance < 0.82 && seed % 2 === 0) hub.restart();
    else if (chance < 0.9) {
      page.crash();
      crashes += 1;
      begin();
    }
    await clock.advance(dice() < 0.1 ? dice() * 8_000 : dice() * 80);
  }
  hub.blackHoles.clear();
  for (let i = 0; i < 90; i++) await clock.advance(1_000);
  const stored = hub.log.filter(({ type }) => type === 'mine').map(({ id }) => id);
  assert.equal(new Set(stored).size, stored.length, 'nothing came twice');
  const safe = new Set(pages.flatMap(({ published }, i) => [...published].filter(([, saved]) => saved || i === pages.length - 1)).map(([id]) => id));
  assert.deepEqual([...safe].filter((id) => !stored.includes(id)), [], 'what the store had came');
  assert.deepEqual(stored, all.filter((id) => stored.includes(id)), 'in the order in which it was published');
  assert.deepEqual(disk.ids(), [], 'and is in the store no longer');
  pages.at(-1)!.crash();
  return crashes;
}

const only = process.env.SDK_SEED;
const seeds = only ? [Number(only)] : Array.from({ length: Number(process.env.SDK_SEEDS ?? 30) }, (_, i) => i + 1);

test(`pages crash at any moment: nothing that was saved is lost, doubled or swapped, by ${seeds.length} seeds`, async () => {
  let crashes = 0;
  for (const seed of seeds) {
    try {
      crashes += await run(seed);
    } catch (error) {
      (error as Error).message = `seed ${seed}: ${(error as Error).message}`;
      throw error;
    }
  }
  assert.ok(only || crashes > seeds.length);
});
