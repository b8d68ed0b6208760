import { after, before } from 'node:test';
import { launch } from './browser.js';
import { Hub } from './hub.js';
import { Person } from './person.js';
import { FaultProxy } from './proxy.js';

/** A hub for a file's tests, and whatever the tests open in front of it; all ends with the file. */
export function scene(hubOptions) {
  const open = [];
  const stage = {
    /** Joins in a browser process of the person's own. */
    async person(name, { room, origin = stage.hub.origin, flags, ...options }) {
      const browser = await launch(flags);
      open.push(() => browser.close());
      return Person.join(browser, origin, name, room, options);
    },
    /** Opens a browser for someone who hasn't gone anywhere yet. */
    async visitor(name, options) {
      const browser = await launch();
      open.push(() => browser.close());
      return Person.open(browser, name, options);
    },
    async proxy(rules) {
      const proxy = await FaultProxy.start(stage.hub.address, rules);
      open.push(() => proxy.stop());
      return proxy;
    },
    async close() {
      for (const end of open.splice(0).reverse()) await end();
    },
  };
  before(async () => {
    stage.hub = await Hub.start(hubOptions);
  });
  after(async () => {
    await stage.close();
    await stage.hub?.stop();
  });
  return stage;
}
