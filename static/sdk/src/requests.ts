import { asError } from './check.js';
import type { Frame, Sender } from './frame.js';

export type Handler = (data: any, context: { from: Sender }) => unknown;
/** Answers a request at once or later. */
type Rest = (frame: Frame, answer: (data: unknown) => void, refuse: (error: unknown) => void) => void;

/** Answers requests that others send to this session or its services. */
export class Requests {
  private readonly handlers = new Map<string, Handler>();

  /** Requests of types without a handler. */
  rest: Rest | null = null;

  constructor(private readonly answer: (frame: Frame) => void) {}

  /** One handler per type: a later one takes the place of an earlier. */
  on(type: string, handler: Handler): () => void {
    this.handlers.set(type, handler);
    return () => {
      if (this.handlers.get(type) === handler) this.handlers.delete(type);
    };
  }

  has(type: string): boolean {
    return this.handlers.has(type);
  }

  types(): string[] {
    return [...this.handlers.keys()];
  }

  async take(frame: Frame): Promise<void> {
    const { type, request, from = {}, data = null } = frame as Frame & { request: string };
    const handler = this.handlers.get(type);
    if (!handler && this.rest) {
      const answer = (answer: unknown) => this.reply(request, answer);
      this.rest(frame, answer, (error) => this.refuse(request, asError(error)));
      return;
    }
    if (!handler) {
      this.refuse(request, { code: 'not_found', message: `nothing here answers ${type}` });
      return;
    }
    try {
      const answer = await handler(data, { from });
      this.reply(request, answer);
    } catch (error) {
      this.refuse(request, asError(error));
    }
  }

  private reply(request: string, answer: unknown): void {
    this.answer({ type: 'hub:answer', request, data: answer ?? null });
  }

  private refuse(request: string, { code, message }: { code: string; message: string }): void {
    this.answer({ type: 'hub:answer', request, error: { code, message } });
  }
}
