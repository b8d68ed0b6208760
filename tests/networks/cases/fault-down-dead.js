export default {
  title: 'one direction dead: hub → client',
  why: 'The hub hears the client, which hears nothing: the beats stop.',
  wins: 'websocket',
  cut: 'down',
  turns: [{ running: 'down' }, { running: 'down' }],
};
