export default {
  title: "half-open: the hub's end is gone, the client's isn't told",
  why: 'A router that has restarted and lost its table.',
  wins: 'websocket',
  cut: 'half-open',
  turns: [{ running: 'half-open' }, { running: 'half-open' }],
};
