/** Small helpers over the DOM. User data goes in as text only, never as markup. */

/** The element with this `data-testid`. */
export const byTestId = (id) => document.querySelector(`[data-testid="${id}"]`);

export const byId = (id) => document.getElementById(id);

/** Makes an element; `attributes` are set as strings, children are nodes or text. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children);
  return node;
}

/** Sets the text only where it differs, so that live regions and selections stay quiet. */
export function setText(node, text) {
  const value = String(text);
  if (node.textContent !== value) node.textContent = value;
}

/** Runs `fn` at most once per `ms`, always after the last call. Works in hidden tabs, unlike animation frames. */
export function throttled(fn, ms, signal) {
  let timer = null;
  signal.addEventListener('abort', () => clearTimeout(timer));
  return () => {
    if (timer !== null || signal.aborted) return;
    timer = setTimeout(() => {
      timer = null;
      fn();
    }, ms);
  };
}

/** Runs `fn` every `ms` until the signal aborts. */
export function every(ms, fn, signal) {
  const timer = setInterval(fn, ms);
  signal.addEventListener('abort', () => clearInterval(timer));
}

/** Reads and writes localStorage or sessionStorage, which a browser may refuse. */
export function stored(area, key) {
  return {
    get() {
      try {
        return globalThis[area].getItem(key);
      } catch {
        return null;
      }
    },
    set(value) {
      try {
        if (value === null) globalThis[area].removeItem(key);
        else globalThis[area].setItem(key, value);
      } catch {
        return;
      }
    },
  };
}
