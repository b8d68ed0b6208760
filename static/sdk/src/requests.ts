import { asError } from './check.js';
import type { Frame, Sender } from './frame.js';

export type Handler = (data: any, context: { from: Sender; type: string }) => unknown;

/** Answers requests that others send to this session or its services. */
export class Requests {
  private readonly handlers = new Map<string, Handler>();

  constructor(private readonly answer: (frame: Frame) => void) {}

  /** One handler per type: a later one takes the place of an earlier. `*`: for types without one. */
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
    const handler = this.handlers.get(type) ?? this.handlers.get('*');
    if (!handler) {
      this.refuse(request, { code: 'not_found', message: `nothing here answers ${type}` });
      return;
    }
    try {
      const answer = await handler(data, { from, type });
      this.answer({ type: 'hub:answer', request, data: answer ?? null });
    } catch (error) {
      const { code, message } = asError(error);
      this.refuse(request, { code, message });
    }
  }

  private refuse(request: string, error: { code: string; message: string }): void {
    this.answer({ type: 'hub:answer', request, error });
  }
}
