export default {
  title: 'latency: 150 ms for every round trip',
  why: 'Far away, or a bad radio. Nobody is overtaken for being slow. In its other state a round trip takes 450 ms.',
  wins: 'websocket',
  rules: { up: { delay_ms: 75 }, down: { delay_ms: 75 } },
  turns: [{ rules: { up: { delay_ms: 225 }, down: { delay_ms: 225 } } }, { rules: { up: { delay_ms: 75 }, down: { delay_ms: 75 } } }],
};
