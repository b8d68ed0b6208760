const rules = { http: [{ match: { upgrade: true }, do: { reset_after_101: {} } }] };

export default {
  title: 'WebSocket: 101, then RST',
  why: 'The handshake passes, then the connection is reset.',
  wins: 'sse',
  rules,
  turns: [{ rules: {} }, { rules }],
};
