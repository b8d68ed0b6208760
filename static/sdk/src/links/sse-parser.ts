/** Bytes an event may have before the stream is given up. */
const EVENT_CHARS_MAX = 16 * 1024 * 1024;

export interface SseEvent {
  event: string;
  data: string;
}

/** Reads a `text/event-stream` (WHATWG HTML §9.2) that comes in pieces. */
export class SseParser {
  private rest = '';
  private data: string[] = [];
  private size = 0;
  private event = '';
  private first = true;
  private afterCr = false;

  constructor(private readonly dispatch: (event: SseEvent) => void) {}

  /** Takes the next piece of the stream; throws when an event is too large. */
  push(text: string): void {
    if (this.first && text !== '') {
      this.first = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (this.afterCr && text !== '') {
      this.afterCr = false;
      if (text[0] === '\n') text = text.slice(1);
    }
    let at = 0;
    let cr = text.indexOf('\r');
    for (;;) {
      if (cr >= 0 && cr < at) cr = text.indexOf('\r', at);
      const lf = text.indexOf('\n', at);
      const end = cr < 0 ? lf : lf < 0 ? cr : Math.min(lf, cr);
      if (end < 0) break;
      const line = this.rest + text.slice(at, end);
      this.rest = '';
      at = end + 1;
      if (text[end] === '\r') {
        if (at === text.length) this.afterCr = true;
        else if (text[at] === '\n') at += 1;
      }
      this.line(line);
    }
    this.rest += text.slice(at);
    if (this.rest.length + this.size > EVENT_CHARS_MAX) throw new Error('an event of the stream is too large');
  }

  private line(line: string): void {
    if (line === '') {
      const { event, data } = this;
      this.event = '';
      this.data = [];
      this.size = 0;
      if (data.length > 0) this.dispatch({ event: event || 'message', data: data.join('\n') });
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value[0] === ' ') value = value.slice(1);
    if (field === 'data') {
      this.data.push(value);
      this.size += value.length;
    } else if (field === 'event') {
      this.event = value;
    }
  }
}
