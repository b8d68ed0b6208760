const hole = { running: 'swallow', rules: { accept: 'ignore' }, hole_ms: 8_000 };

export default {
  title: 'black hole: twice nothing at all passes for 8 s',
  why: 'What ran stays dead; what is opened meanwhile is never answered.',
  wins: 'websocket',
  turns: [hole, hole],
};
