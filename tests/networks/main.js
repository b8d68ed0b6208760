import { readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output, top } from '../browser/lib/process.js';
import { checks, isNoticed, isQuick } from './lib/checks.js';
import { Lab } from './lib/lab.js';
import { Measurement } from './lib/measure.js';
import { addresses, Namespace } from './lib/namespace.js';
import { Network, SpaceNetwork } from './lib/network.js';
import { compare, write } from './lib/table.js';
import { missing } from './lib/tools.js';

const ROUNDS = 5;
/** So many networks load their pages, and then connect, at a time: a machine that is busy with itself would say nothing of networks. */
const LOADING = 4;
const CONNECTING = 2;
/** Networks change one after the other, in these steps. */
const STEP_MS = 150;

const options = process.argv.slice(2);
const tools = options.splice(options.indexOf('--tools'), 2)[1];
const writing = options.includes('--write');
const wanted = options.filter((option) => !option.startsWith('--'));

const folder = join(dirname(fileURLToPath(import.meta.url)), 'cases');
const all = new Map();
for (const name of readdirSync(folder).map((file) => basename(file, '.js')).sort()) {
  all.set(name, (await import(join(folder, `${name}.js`))).default);
}
const unknown = wanted.filter((name) => !all.has(name));
if (unknown.length > 0) throw new Error(`no such network: ${unknown}; there are ${[...all.keys()].join(' ')}`);
const names = [...all.keys()].filter((name) => wanted.length === 0 || wanted.includes(name));

const began = Date.now();
const told = (text) => console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}`);
const numbers = { passed: 0, failed: 0, skipped: 0 };
const tell = (verdict, what, why = '') => {
  numbers[verdict] += 1;
  const mark = { passed: '✔', failed: '✖', skipped: '- SKIPPED' }[verdict];
  console.log(`${mark} ${what}${why && `: ${why}`}`);
};

async function few(count, list, work) {
  const queue = [...list];
  const worker = async () => {
    for (let one = queue.shift(); one; one = queue.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: count }, worker));
}

await Namespace.sweep();
const lab = new Lab({ ca: { cert: join(tools, 'ca.pem'), key: join(tools, 'ca.key') }, mitmdump: join(tools, 'mitmproxy/bin/mitmdump') },
  names.map((_, i) => addresses(i).far));
const measurements = [];
try {
  for (const [i, name] of names.entries()) {
    const definition = all.get(name);
    const lacking = await missing(definition, all, lab.tools);
    if (lacking) {
      tell('skipped', name, lacking);
      continue;
    }
    const network = definition.space ? new SpaceNetwork(lab, name, definition, i) : new Network(lab, name, definition, all);
    measurements.push(new Measurement(network));
  }
  told('networks are being set up');
  await Promise.all(measurements.map((one) => one.begin()));
  const standing = measurements.filter(({ wrong }) => wrong.length === 0);
  told(`${standing.length} networks stand; fresh connects`);
  for (let round = 0; round < ROUNDS; round++) {
    await few(LOADING, standing, (one) => one.load());
    await few(CONNECTING, standing, (one) => one.connect());
  }
  // What is a network's own doing happens again when it has the machine for itself; what the others did to it doesn't.
  for (const one of standing.filter(({ first }) => first && !isQuick(first))) {
    told(`${one.name}: ${Math.round(one.first.median)} ms at the median, ${Math.round(one.first.worst)} ms at worst; once more, alone`);
    one.forget();
    for (let round = 0; round < ROUNDS; round++) {
      await one.load();
      await one.connect();
    }
  }
  told('cuts');
  await Promise.all(standing.map((one) => one.cut()));
  for (const one of standing.filter(({ recovery, definition }) => recovery && !isNoticed(recovery, definition))) {
    told(`${one.name}: cut noticed after ${one.recovery.noticed} ms; once more, alone`);
    await one.cut();
  }
  told('traffic both ways, while each network changes its behaviour twice');
  await Promise.all(standing.map((one, i) => one.traffic(i * STEP_MS)));
  told('done');
  const stories = await Promise.all(measurements.map((one) => one.story()));
  writeFileSync(join(output, 'networks.json'), JSON.stringify(stories, null, 1));
} finally {
  await Promise.allSettled(measurements.map((one) => one.end()));
  await lab.close();
}

for (const one of measurements) for (const { what, why } of checks(one)) tell(why ? 'failed' : 'passed', `${one.name}: ${what}`, why);
const table = join(top, 'docs/networks.md');
if (writing && numbers.failed > 0) tell('failed', 'docs/networks.md is not written', 'something else failed');
else tell(...(writing ? write : compare)(table, measurements, all));

console.log(`networks: ${numbers.passed} passed, ${numbers.failed} failed, ${numbers.skipped} skipped`);
process.exit(numbers.failed === 0 ? 0 : 1);
