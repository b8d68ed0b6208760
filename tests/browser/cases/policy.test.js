import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PEER_FLAGS } from '../lib/peer.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene({ webtransport: true });
const flags = [...PEER_FLAGS, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** From now on the page keeps what its policy prevented. */
const watch = (person) =>
  person.page.addInitScript(() => {
    window.prevented = [];
    document.addEventListener('securitypolicyviolation', (event) => window.prevented.push(`${event.effectiveDirective} ${event.blockedURI}`));
  });

const prevented = (person) => person.page.evaluate(() => window.prevented);

/** In the room, watched from the first byte of the page on. */
async function comes(name, room) {
  const person = await stage.person(name, { room, flags });
  await watch(person);
  await person.page.goto(`${stage.hub.origin}/?room=${room}&name=${name}`);
  await person.entered();
  return person;
}

test('nothing that the demo does is against its policy', async () => {
  const [ada, bob] = [await comes('Ada', 'policy'), await comes('Bob', 'policy')];
  await ada.seesMember('Bob');
  for (const transport of ['sse', 'sse-poll', 'webtransport', 'webrtc', 'websocket']) {
    await ada.move(transport);
    await ada.say(`<img src=x onerror=alert(1)> by ${transport}`);
    await bob.reads(`<img src=x onerror=alert(1)> by ${transport}`, 'Ada');
  }
  await ada.startStream(20);
  await ada.get('theme-toggle').click();
  await ada.get('call-start').click();
  await bob.get('call-accept').click();
  for (const person of [ada, bob]) {
    await until(async () => (await person.get('call').getAttribute('data-joined')) === 'true', () => person.story('is in the call'));
    await until(() => person.page.evaluate(() => [...document.querySelectorAll('video')].some((video) => video.videoWidth > 0)), () => person.story('sees'));
  }
  await ada.get('file-input').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.alloc(100_000, 'x') });
  const offered = bob.get('files').locator('li[data-name="notes.txt"][data-state="offered"]');
  await offered.locator('[data-does="accept"]').click();
  await bob.get('files').locator('li[data-name="notes.txt"][data-state="done"]').waitFor();
  for (const person of [ada, bob]) {
    assert.deepEqual(await prevented(person), []);
    person.assertQuiet();
  }
  await stage.close();
});

test('what an attacker would do is prevented', async () => {
  const ada = await comes('Ada', 'attack');
  const tries = await ada.page.evaluate(async () => {
    const script = document.createElement('script');
    const inline = (() => {
      try {
        script.text = 'window.inlineRan = true';
      } catch (error) {
        return error.name;
      }
      document.body.append(script);
    })();
    const markup = (() => {
      try {
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.markupRan = true">');
      } catch (error) {
        return error.name;
      }
    })();
    const handler = document.createElement('button');
    try {
      handler.setAttribute('onclick', 'window.handlerRan = true');
    } catch {
      // By Trusted Types.
    }
    document.body.append(handler);
    handler.click();
    const styled = document.createElement('p');
    styled.setAttribute('style', 'position: fixed');
    document.body.append(styled);
    // Not at once: what a debugger runs may make code from text.
    const made = await new Promise((done) => {
      setTimeout(() => {
        try {
          done(new Function('return 1')());
        } catch (error) {
          done(error.name);
        }
      });
    });
    const image = await new Promise((done) => {
      const element = new Image();
      element.onload = () => done('loaded');
      element.onerror = () => done('prevented');
      element.src = 'https://127.0.0.1:1/steal?what';
    });
    const place = await navigator.permissions.query({ name: 'geolocation' });
    return { inline, markup, made, image, place: place.state, position: getComputedStyle(styled).position };
  });
  assert.deepEqual(tries, { inline: 'TypeError', markup: 'TypeError', made: 'EvalError', image: 'prevented', place: 'denied', position: 'static' });
  assert.equal(await ada.page.evaluate(() => ['inlineRan', 'markupRan', 'handlerRan'].some((name) => name in window)), false);
  const found = await prevented(ada);
  for (const directive of ['require-trusted-types-for', 'style-src-attr', 'img-src']) {
    assert.ok(found.some((one) => one.startsWith(directive)), `${directive} in ${found}`);
  }
  await stage.close();
});
