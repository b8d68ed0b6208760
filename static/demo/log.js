import { byId, byTestId, element, setText } from './dom.js';
import { causeText, clockSeconds, millis, stateText, transportName } from './words.js';

const LINES_MAX = 80;

/** The list of what the connection did. Returns `note(kind, text)`. */
export function mountLog(signal) {
  const list = byTestId('log');
  list.replaceChildren();
  setText(byId('latest'), '');
  return (kind, text) => {
    if (signal.aborted) return;
    const now = Date.now();
    list.prepend(element('li', { 'data-kind': kind }, element('time', { datetime: new Date(now).toISOString() }, clockSeconds(now)), element('span', {}, text)));
    while (list.children.length > LINES_MAX) list.lastElementChild.remove();
  };
}

/** Writes the client's own events into the log, and announces those that a listener should hear. */
export function logClient({ client, note, announce }) {
  client.on('state', ({ state, previous, error }) => {
    const why = error ? `: ${error.message}` : '';
    if (state === 'reconnecting') {
      note('reconnect', `Link lost, looking for another${why}`);
      setText(byId('latest'), 'Link lost, looking for another');
    }
    if (state === 'closed') note('closed', `Closed${why}`);
    else if (state === 'connected' && previous === 'reconnecting') note('reconnect', 'Connected again');
    else if (state !== 'reconnecting') note('state', stateText(state));
    if (state !== 'connecting') announce(stateText(state));
  });
  client.on('transport', ({ transport, previous, cause, ms }) => {
    if (!transport) return;
    const route = previous && previous !== transport ? `${transportName(previous)} → ${transportName(transport)}` : transportName(transport);
    const text = `${route} in ${millis(ms)}, ${causeText(cause)}`;
    note('transport', text);
    setText(byId('latest'), text);
    announce(`Now on ${transportName(transport)}`);
  });
  client.on('session', ({ session, resumed }) => {
    note('session', resumed ? 'Session resumed' : `New session ${session}`);
  });
  client.on('gap', ({ room, reason }) => {
    note('gap', `Gap${room ? ` in ${room}` : ''}: ${reason}`);
    announce('Some messages could not be recovered');
  });
  client.on('error', (error) => note('error', `${error.message} (${error.code})`));
}
