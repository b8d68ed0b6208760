const rules = { http: [{ match: { upgrade: true }, do: 'silent_after_101' }] };

export default {
  title: 'WebSocket: 101, then silence',
  why: 'The handshake passes, no message does. An opened socket proves nothing; the stream is tried beside it.',
  wins: 'sse',
  rules,
  turns: [{ rules: {} }, { rules }],
};
