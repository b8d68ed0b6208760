/** What carries a socket's events: a service of the hub, or one of its rooms. */
export interface Carrier {
  /** Joins in, in the session that there is now. */
  open(auth: Record<string, unknown> | undefined): void;
  /** Whether what was opened stands, so that a resumed session goes on. */
  readonly stands: boolean;
  /** The session is over, and all that was opened in it. */
  lost(): void;
  /** Sends an event. */
  send(type: string, data: unknown, volatile: boolean): void;
  /** Sends an event that is answered. `done` gets the arguments of its acknowledgement before anything later is read. */
  ask(type: string, data: unknown, timeoutMs: number, done: (args: unknown[]) => void, failed: (error: Error) => void): void;
  /** Leaves. Resolves once the other side knows. */
  close(): Promise<void>;
}

/** What a carrier tells its socket. */
export interface CarrierHost {
  opened(id: string): void;
  /** It can't be opened: for now, or (`final`) until the application connects again. */
  refused(error: Error, final: boolean): void;
  event(args: unknown[]): void;
  /** The other side is gone: opens again by itself. */
  dropped(reason: string): void;
  /** It is time to open again. */
  reopen(): void;
  /** The other side has ended it. */
  ended(): void;
}
