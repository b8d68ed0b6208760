import { readFileSync, writeFileSync } from 'node:fs';

const HEAD = `# Networks

What the SDK does in Chromium on the networks of the laboratory (\`tests/networks\`): real proxies, and our fault proxy where the fault has
to come at a given moment. The whole page is written by \`tests/run networks --write\`; \`tests/run networks\` fails where transports, zeros or words are no
longer what this page says. Times are of the machine that wrote it (debug build, two cores, all networks at once); what is asserted of them are the limits
in the column heads.

| network | wins | first message: median (< 1 s), worst (< 3 s) | cut noticed (≤ 5 s) | messages again | sent | lost | doubled |
|---|---|---|---|---|---|---|---|
`;

const EXPLAINED = `
* **wins**: what carried the first message most often, from a page that was never on this network before (five fresh connects); and what it moved up to where
  that was waited for.
* **first message**: from \`connect()\` until the answer of another person to one's first message is here. Negotiation, the race, joining and both
  directions are in it.
* **cut noticed**: all connections that run become a black hole (or what the row is about) while next to nothing is said; new ones pass.
  Until the client leaves its link; a client that polls just asks again. **Messages again**: until both have heard each other.
* **sent, lost, doubled**: numbered messages, 10 a second each way for 60 s. After 20 s the network changes into another one, after 40 s back: the
  connections that run become a black hole at the first change and are reset at the second, unless the row says otherwise. Order is checked as well.

## What each network does

`;

/** Rows and reasons as the page shows them. */
function text(measurements, all) {
  const rows = new Map(measurements.map((one) => [one.name, row(one)]));
  const names = [...all.keys()];
  const table = names.map((name) => rows.get(name)).filter(Boolean);
  const reasons = names.map((name) => `* **${all.get(name).title}** (\`${name}\`): ${all.get(name).why}`);
  return `${HEAD}${table.join('\n')}\n${EXPLAINED}${reasons.join('\n')}\n`;
}

function row({ definition, first, flow, recovery }) {
  const cells = [
    definition.title,
    first ? winner(first, definition) : '?',
    first ? `${ms(first.median)}, ${ms(first.worst)}` : '?',
    recovery ? ms(recovery.noticed) : '?',
    recovery ? ms(recovery.moved) : '?',
    flow ? String(flow.sent) : '?',
    flow ? String(flow.lost) : '?',
    flow ? String(flow.doubled) : '?',
  ];
  return `| ${cells.join(' | ')} |`;
}

function winner({ winner }, { wins, settles }) {
  // Where several may, it depends on the hour.
  const names = Array.isArray(wins) && wins.includes(winner) ? wins : [winner];
  return names.map((name) => `\`${name}\``).join(', ') + (settles ? `, then \`${settles}\`` : '');
}

const ms = (time) => `${Math.round(time)} ms`;

/** Writes the page, if all networks were measured. */
export function write(path, measurements, all) {
  const what = 'docs/networks.md is written';
  const missing = [...all.keys()].filter((name) => !measurements.some((one) => one.name === name && one.first && one.flow && one.recovery));
  if (missing.length > 0) return ['failed', what, `not measured: ${missing.join(' ')}`];
  writeFileSync(path, text(measurements, all));
  return ['passed', what];
}

/** Compares what was found with the page, but for times and numbers of messages. Takes networks that were not run as they are. */
export function compare(path, measurements, all) {
  const what = 'docs/networks.md says so';
  let page;
  try {
    page = readFileSync(path, 'utf8');
  } catch {
    return ['failed', what, 'there is no such page'];
  }
  const rowOf = (title) => page.split('\n').find((line) => line.startsWith(`| ${title} |`));
  const found = new Map(measurements.map((one) => [one.definition.title, row(one)]));
  const wrong = [];
  for (const { title } of all.values()) {
    const said = rowOf(title);
    if (!said) wrong.push(`no row of "${title}"`);
    else if (found.has(title) && timeless(found.get(title)) !== timeless(said)) wrong.push(`"${title}": found ${found.get(title)}`);
  }
  const rows = (page.match(/^\| .* ms \|/gm) ?? []).length;
  if (rows > all.size) wrong.push(`${rows - all.size} rows of networks that aren't there`);
  const around = text([], all).split('\n').filter((line) => !page.includes(`${line}\n`));
  wrong.push(...around.map((line) => `not on the page: ${line}`));
  return wrong.length === 0 ? ['passed', what] : ['failed', what, `${wrong.join('\n  ')}\n  (tests/run networks --write writes it anew)`];
}

/** A row without what differs from run to run: times, and how many were sent. */
function timeless(row) {
  return row.replace(/\d+ ms/g, '…').replace(/\| \d+ (?=\| \d+ \| \d+ \|$)/, '| … ');
}
