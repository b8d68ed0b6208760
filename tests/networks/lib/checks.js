/** The limits that the requirement states (ms). */
const MEDIAN_MS = 1_000;
const WORST_MS = 3_000;
const NOTICED_MS = 5_000;

/** Whether the first messages came within the limits. */
export const isQuick = ({ median, worst }) => median < MEDIAN_MS && worst < WORST_MS;

/** Whether a cut was noticed within its limit. */
export const isNoticed = ({ noticed }, { noticed_ms = NOTICED_MS }) => noticed <= noticed_ms;

/** What must hold on a network, each with why it doesn't, or ''. */
export function checks({ definition, first, flow, recovery, wrong }) {
  const failed = (part) => wrong.find((line) => line.startsWith(`${part}: `) || line.startsWith('standing: '));
  const check = (what, part, holds, otherwise) => ({ what, why: failed(part) ?? (holds() ? '' : otherwise()) });
  const wins = [definition.wins].flat();
  return [
    check('the transport that should win does', 'first', () => wins.includes(first.winner), () =>
      `${wins.join(' or ')} should have, but ${first.winners.map(([name, times]) => `${name} ${times} times`).join(', ')}`),
    check('first message under 1 s at the median, 3 s at worst', 'first', () => isQuick(first), () =>
      `${Math.round(first.median)} ms at the median, ${Math.round(first.worst)} ms at worst`),
    check('a cut is noticed in time', 'recovery', () => isNoticed(recovery, definition), () =>
      `noticed after ${recovery.noticed} ms, over ${definition.noticed_ms ?? NOTICED_MS}`),
    check('60 s both ways, two changes: none lost, none doubled', 'flow', () => complete(flow), () =>
      `of ${flow.sent} lost ${flow.lost}, doubled ${flow.doubled}, swapped ${flow.swapped}, gaps ${flow.gaps}; connections at the changes: ${flow.turns}`),
  ];
}

function complete({ sent, lost, doubled, swapped, gaps, turns }) {
  return sent > 0 && lost + doubled + swapped + gaps === 0 && turns.every((connections) => connections > 0);
}
