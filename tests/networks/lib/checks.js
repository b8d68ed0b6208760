/** The limits that the requirement states (ms). */
const MEDIAN_MS = 1_000;
const WORST_MS = 3_000;
const NOTICED_MS = 5_000;

/** What must hold on a network, each with why it doesn't, or ''. */
export function checks({ definition, first, flow, recovery, wrong }) {
  const failed = (what) => wrong.find((line) => line.startsWith(`${what}: `) || line.startsWith('standing: '));
  const check = (what, part, holds, otherwise) => ({ what, why: !part ? failed(partNames.get(what)) ?? 'not measured' : holds() ? '' : otherwise() });
  const noticed_ms = definition.noticed_ms ?? NOTICED_MS;
  const partNames = new Map([[WINNER, 'first'], [FIRST, 'first'], [FLOW, 'flow'], [CUT, 'recovery']]);
  return [
    check(WINNER, first, () => first.winners[0][0] === definition.wins, () =>
      `${definition.wins} should have, but ${first.winners.map(([name, times]) => `${name} ${times} times`).join(', ')}`),
    check(FIRST, first, () => first.median < MEDIAN_MS && first.worst < WORST_MS, () =>
      `${Math.round(first.median)} ms at the median, ${Math.round(first.worst)} ms at worst`),
    check(FLOW, flow, () => flow.lost + flow.doubled + flow.swapped + flow.gaps === 0 && flow.turns.every((n) => n > 0), () =>
      `of ${flow.sent} lost ${flow.lost}, doubled ${flow.doubled}, swapped ${flow.swapped}, gaps ${flow.gaps}; connections at the changes: ${flow.turns}`),
    check(CUT, recovery, () => recovery.noticed <= noticed_ms, () => `noticed after ${recovery.noticed} ms, over ${noticed_ms}`),
  ];
}

const WINNER = 'the transport that should win does';
const FIRST = 'first message under 1 s at the median, 3 s at worst';
const FLOW = '60 s both ways, two changes: none lost, none doubled';
const CUT = 'a cut is noticed in time';
