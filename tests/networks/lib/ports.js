import { connect } from 'node:net';
import { until } from '../../browser/lib/process.js';

export { freePort } from '../../browser/lib/ports.js';

/** Waits until somebody listens there. */
export function listening(address) {
  const [host, port] = address.split(':');
  const look = () =>
    new Promise((resolve) => {
      const socket = connect(Number(port), host, () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  return until(look, `${address} listens`, 30_000);
}
