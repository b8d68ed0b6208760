export default {
  title: 'latency: 200 ms for every round trip',
  why: 'Far away, or a bad radio. Nobody is overtaken for being slow. In its other state a round trip takes 600 ms.',
  wins: 'websocket',
  rules: { up: { delay_ms: 100 }, down: { delay_ms: 100 } },
  turns: [{ rules: { up: { delay_ms: 300 }, down: { delay_ms: 300 } } }, { rules: { up: { delay_ms: 100 }, down: { delay_ms: 100 } } }],
};
