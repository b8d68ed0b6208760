import { byId, byTestId, every, setText } from './dom.js';
import { millis, stateText, transportName } from './words.js';

const COUNTERS = ['sent', 'received', 'acked', 'gaps', 'duplicates', 'reconnects', 'moves'];
const REFRESH_MS = 250;
/** The transports that a checkbox of the panel stands for; `sse` covers both of its modes. */
const BLOCKABLE = ['webtransport', 'websocket', 'webrtc', 'sse'];
/** Hubs may lack them. */
const OPTIONAL = ['webtransport', 'webrtc'];

/** State, transport and round-trip time in the header; the panel that moves, blocks and cuts; the counters. */
export function mountTransports({ client, signal, note }) {
  const moves = [...document.querySelectorAll('[data-move]')];
  const blocks = [...document.querySelectorAll('[data-block]')];
  const moving = new Set();
  const blocked = () => new Set(blocks.filter((box) => box.checked).map((box) => box.dataset.block));

  function render() {
    const shut = blocked();
    for (const button of moves) {
      const target = button.dataset.move;
      const current = client.transport === target;
      const closed = shut.has(target.split('-')[0]);
      const route = button.closest('[data-route]');
      route.toggleAttribute('data-current', current);
      route.toggleAttribute('data-blocked', closed);
      button.setAttribute('aria-pressed', String(current));
      button.setAttribute('aria-disabled', String(current || closed));
      button.setAttribute('aria-busy', String(moving.has(target)));
      setText(button, current ? 'In use' : closed ? 'Blocked' : moving.has(target) ? 'Moving' : 'Move');
      button.setAttribute('aria-label', `${button.textContent}: ${transportName(target)}`);
    }
    for (const name of OPTIONAL) {
      const there = client.offered.includes(name);
      document.querySelector(`[data-route="${name}"]`).hidden = !there;
      document.querySelector(`[data-block="${name}"]`).closest('label').hidden = !there;
    }
    const usable = blocks.filter((box) => !box.closest('label').hidden);
    const last = usable.filter((box) => box.checked).length === usable.length - 1;
    for (const box of usable) box.disabled = last && !box.checked;
    byTestId('kill-link').setAttribute('aria-disabled', String(client.transport === null));
    renderLink(client);
  }

  async function move(target) {
    if (client.transport === target || blocked().has(target.split('-')[0]) || moving.has(target)) return;
    moving.add(target);
    render();
    try {
      await client.moveTo(target);
    } catch (error) {
      note('error', `Could not move to ${transportName(target)}: ${error.message}`);
    } finally {
      moving.delete(target);
      if (!signal.aborted) render();
    }
  }

  for (const button of moves) button.addEventListener('click', () => move(button.dataset.move), { signal });
  for (const box of blocks) {
    box.checked = false;
    box.addEventListener('change', () => {
      note('block', `${transportName(box.dataset.block)} ${box.checked ? 'blocked' : 'allowed again'}`);
      client.allow(BLOCKABLE.filter((transport) => !blocked().has(transport)));
      render();
    }, { signal });
  }
  byTestId('kill-link').addEventListener('click', () => {
    if (client.transport === null) return;
    note('cut', `${transportName(client.transport)} link cut without goodbye`);
    client.debug.killLink();
  }, { signal });

  for (const event of ['state', 'transport', 'rtt']) client.on(event, () => signal.aborted || render());
  every(REFRESH_MS, () => renderCounters(client), signal);
  render();
  renderCounters(client);
}

function renderLink(client) {
  const state = byTestId('state');
  const transport = byTestId('transport');
  state.dataset.state = client.state;
  setText(state, stateText(client.state));
  transport.dataset.transport = client.transport ?? '';
  setText(transport, transportName(client.transport));
  setText(byId('link-rtt'), client.transport && client.rtt !== null ? millis(client.rtt) : '');
}

function renderCounters(client) {
  for (const name of COUNTERS) {
    const cell = byTestId(`counter-${name}`);
    setText(cell, client.counters[name]);
    cell.parentElement.toggleAttribute('data-raised', client.counters[name] > 0);
  }
  setText(byTestId('counter-rtt'), millis(client.rtt));
}
