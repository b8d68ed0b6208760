import { afterEach } from 'node:test';

/** A window as far as the SDK looks at it. */
export function fakeWindow(): { fire(type: string, event?: object): void; listeners(): number } {
  const target = new EventTarget();
  let listeners = 0;
  const global = globalThis as { window?: unknown };
  global.window = {
    addEventListener: (type: string, fn: EventListener) => {
      listeners += 1;
      target.addEventListener(type, fn);
    },
    removeEventListener: (type: string, fn: EventListener) => {
      listeners -= 1;
      target.removeEventListener(type, fn);
    },
  };
  return { fire: (type, event = {}) => void target.dispatchEvent(Object.assign(new Event(type), event)), listeners: () => listeners };
}

afterEach(() => {
  delete (globalThis as { window?: unknown }).window;
});
