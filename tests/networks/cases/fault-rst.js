const after = (bytes) => ({ down: { end_after: { bytes, with: 'reset' } } });

export default {
  title: 'RST every 64 KiB',
  why: 'Every connection is reset when 64 KiB have come down on it; in its other state 16 KiB. (The page itself is loaded before that begins.)',
  wins: 'websocket',
  loads: {},
  rules: after(64 * 1024),
  turns: [{ rules: after(16 * 1024), running: 'keep' }, { rules: after(64 * 1024), running: 'keep' }],
};
