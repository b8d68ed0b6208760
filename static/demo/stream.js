import { byTestId, setText } from './dom.js';
import { mountSenders } from './senders.js';

const TICK_MS = 20;
const RATE_MAX = 500;
/** Numbered messages without an answer yet; beyond it the stream waits, and no number is skipped. Below the SDK's `queueMax`. */
const UNANSWERED_MAX = 800;

/** The numbered stream: publishes its own if asked to, and checks everyone's numbers. */
export function mountStream({ room, me, signal, note, onReceived }) {
  mountSenders({ room, me, signal, onReceived });
  const toggle = byTestId('stream-toggle');
  const rateInput = byTestId('stream-rate');
  const run = randomName();
  let n = 0;
  let unanswered = 0;
  let timer = null;
  let pace = null;

  const rate = () => Math.min(RATE_MAX, Math.max(1, Math.floor(Number(rateInput.value)) || 1));

  function setPace() {
    pace = { at: performance.now(), n, rate: rate() };
  }

  function publish() {
    n += 1;
    unanswered += 1;
    toggle.dataset.sent = n;
    room.publish('number', { run, n }, { keep: false }).then(
      () => {
        unanswered -= 1;
      },
      (error) => {
        unanswered -= 1;
        if (timer === null) return;
        stop();
        note('error', `Stream stopped: ${error.message} (${error.code ?? 'error'})`);
      },
    );
  }

  function tick() {
    const due = pace.n + Math.floor(((performance.now() - pace.at) * pace.rate) / 1000) - n;
    const batch = Math.min(due, pace.rate, UNANSWERED_MAX - unanswered);
    for (let i = 0; i < batch && timer !== null; i++) publish();
    if (due > batch) setPace();
  }

  function start() {
    rateInput.value = rate();
    setPace();
    timer = setInterval(tick, TICK_MS);
    show();
    note('stream', `Stream started, ${pace.rate} messages per second`);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    show();
  }

  function show() {
    toggle.setAttribute('aria-pressed', String(timer !== null));
    toggle.setAttribute('aria-label', timer === null ? 'Start the stream' : 'Stop the stream');
    setText(toggle, timer === null ? 'Start' : 'Stop');
  }

  toggle.addEventListener('click', () => {
    if (timer === null) return start();
    stop();
    note('stream', `Stream stopped at number ${n}`);
  }, { signal });
  rateInput.addEventListener('change', () => {
    rateInput.value = rate();
    if (timer !== null) setPace();
  }, { signal });
  signal.addEventListener('abort', stop);
  toggle.dataset.sent = 0;
  show();
}

/** Tells the numbers of one page load from those of the next. */
function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
