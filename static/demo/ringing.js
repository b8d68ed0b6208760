import { byId, byTestId, setText } from './dom.js';

/** Tells of calls that ring, until they are answered here or elsewhere. */
export function mountIncoming({ client, room, signal, tell, accept }) {
  const { calls } = client;
  const banner = byId('incoming');
  const button = byTestId('call-accept');
  /** The room of another tab is that tab's. */
  const ringing = () => calls.list.find((call) => call.room === room.name) ?? null;

  function render() {
    if (signal.aborted) return;
    const call = ringing();
    banner.hidden = call === null;
    if (!call) return;
    banner.dataset.from = call.from.user;
    setText(byId('incoming-text'), `${call.from.user} calls you.`);
  }

  calls.on('incoming', (call) => {
    if (call.room === room.name) tell(`${call.from.user} calls`);
    render();
  });
  calls.on('end', render);
  button.addEventListener('click', async () => {
    const call = ringing();
    if (!call || button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    await accept(call);
    button.setAttribute('aria-busy', 'false');
  }, { signal });
  byTestId('call-decline').addEventListener('click', () => ringing()?.decline(), { signal });
  signal.addEventListener('abort', () => (banner.hidden = true));
  render();
}
