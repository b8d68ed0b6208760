// A classic script, loaded before the first paint, so that a stored theme doesn't flash the other one.
(() => {
  const root = document.documentElement;
  try {
    const stored = localStorage.getItem('crosspoint.theme');
    if (stored === 'light' || stored === 'dark') root.dataset.theme = stored;
  } catch {
    return;
  }
})();
