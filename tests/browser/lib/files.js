import { until, within } from './process.js';

/** A transfer that takes longer will not end. */
const END_MS = 180_000;

/** Begins to send a file that is made in the page: 32-bit numbers that look random, the same for the same `seed`. */
export async function sendFile(peer, { name = 'file.bin', size, seed = 1, ...options }) {
  await peer.ask(async ({ name, size, seed, options }) => {
    const parts = [];
    let state = seed;
    for (let at = 0; at < size; at += 1 << 20) {
      const words = new Uint32Array(1 << 18);
      for (let i = 0; i < words.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        words[i] = state;
      }
      parts.push(new Uint8Array(words.buffer, 0, Math.min(size - at, 1 << 20)));
    }
    const file = new File(parts, name, { type: 'application/x-test' });
    window.peer.uploads = await window.peer.room.files.send(file, options);
    const seen = (window.peer.seen = []);
    for (const upload of window.peer.uploads) upload.on('path', ({ via }) => seen.push(via));
    window.peer.sum = await window.peer.digest(file);
  }, { name, size, seed, options });
}

/** Waits for an offer and accepts it. */
export async function acceptFile(peer, fn) {
  await until(() => peer.ask(() => window.peer.offers.length > 0), () => peer.story('is offered a file'));
  return peer.ask(async (fn) => {
    const offer = window.peer.offers.shift();
    const vias = {};
    let last = 0;
    window.peer.download = offer;
    window.peer.took = vias;
    offer.on('progress', ({ bytes }) => {
      vias[offer.via] = (vias[offer.via] ?? 0) + bytes - last;
      last = bytes;
    });
    const options = fn ? await new Function(`return (${fn})()`)() : {};
    window.peer.result = offer.accept(options).then((file) => ({ file }), (error) => ({ error }));
    return { name: offer.name, type: offer.type, size: offer.size, held: offer.held, from: offer.peer.user };
  }, fn && String(fn));
}

/** Which part of the file is there (0 to 1), as the receiver sees it. */
export const part = (peer) => peer.ask(() => window.peer.download.bytes / window.peer.download.size);

/** Waits until so much is there. */
export async function has(peer, share, ms = 60_000) {
  const story = async () => peer.story(`has ${share} of it, and not ${await part(peer)}: ${await peer.ask(() => window.peer.download.state)}`);
  await until(async () => (await part(peer)) >= share, story, ms);
}

/** What came, with its checksum by the browser's own code; or the code of the error. */
export const received = (peer) =>
  within(peer.ask(async () => {
    const { file, error } = await window.peer.result;
    if (error) return { code: error.code, message: error.message };
    if (!file) return { file: null, took: window.peer.took };
    return { name: file.name, type: file.type, size: file.size, sum: await window.peer.digest(file), took: window.peer.took };
  }), END_MS, `${peer.name}'s file`);

/** How the transfers that a page began came out, by receiver. */
export const sent = (peer) =>
  within(peer.ask(async () => {
    const outcomes = window.peer.uploads.map(async ({ peer, delivered }) => [peer.user, await delivered.then(() => 'delivered', ({ code }) => code)]);
    return Object.fromEntries(await Promise.all(outcomes));
  }), END_MS, `${peer.name}'s uploads`);

export const sumOf = (peer) => until(() => peer.ask(() => window.peer.sum ?? null), () => peer.story('has a checksum'));
