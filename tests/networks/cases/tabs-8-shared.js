const rules = { http: [{ match: { upgrade: true }, do: 'strip_upgrade' }] };

export default {
  title: "eight tabs on HTTP/1.1 without WebSocket, `tabs: 'shared'`",
  why: 'A browser opens six connections to a host; eight streams would fill them, and no POST would get through. So all tabs share one link.',
  wins: 'sse',
  tabs: 8,
  options: { tabs: 'shared' },
  rules,
  turns: [{ rules: {} }, { rules }],
};
