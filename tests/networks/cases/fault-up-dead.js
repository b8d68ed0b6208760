export default {
  title: 'one direction dead: client → hub',
  why: 'The hub is heard, but hears nothing. Shown by frames that stay without an answer.',
  wins: 'websocket',
  cut: 'up',
  turns: [{ running: 'up' }, { running: 'up' }],
};
