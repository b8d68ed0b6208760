import { byId, every } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const SLOT_MS = 500;
const SLOTS = 80;
const WIDTH = 240;
const HEIGHT = 44;

/** Bars of messages per half second, coloured by the transport that brought them. Returns `count()`. */
export function mountTimeline({ client, signal }) {
  const svg = byId('timeline');
  const slots = Array.from({ length: SLOTS }, () => ({ count: 0, transport: '' }));
  const bars = slots.map((_, index) => bar(index));
  svg.replaceChildren(...bars);
  let count = 0;
  let carrier = '';

  every(SLOT_MS, () => {
    slots.push({ count, transport: carrier });
    slots.shift();
    count = 0;
    if (document.hidden) return;
    const most = Math.max(4, ...slots.map((slot) => slot.count));
    slots.forEach((slot, index) => {
      const height = slot.count === 0 ? 1 : Math.max(2, (slot.count / most) * HEIGHT);
      bars[index].setAttribute('height', height.toFixed(1));
      bars[index].setAttribute('y', (HEIGHT - height).toFixed(1));
      bars[index].dataset.transport = slot.count === 0 ? '' : slot.transport;
    });
  }, signal);
  return () => {
    count += 1;
    carrier = client.transport ?? carrier;
  };
}

function bar(index) {
  const rect = document.createElementNS(SVG, 'rect');
  const step = WIDTH / SLOTS;
  for (const [name, value] of Object.entries({ x: index * step, y: HEIGHT - 1, width: step - 0.8, height: 1, rx: 0.6 })) rect.setAttribute(name, value);
  return rect;
}
