import type { CrosspointError } from './codes.js';
import { guarded } from './emitter.js';
import type { Publish, PublishResult, Status } from './types.js';

type StatusFn = (status: Status, error?: CrosspointError) => void;

/** A publish under way. Nobody has to look at it: a failure that isn't awaited is told by the status only. */
export class PublishImpl implements Publish {
  status: Status = 'queued';
  private error: CrosspointError | undefined;
  private readonly listeners = new Set<StatusFn>();
  private promise!: Promise<PublishResult>;

  constructor(
    readonly id: string,
    private readonly report: (error: unknown) => void,
  ) {}

  follow(promise: Promise<PublishResult>): void {
    this.promise = promise;
    promise.catch(() => {});
  }

  changed(status: Status, error?: CrosspointError): void {
    this.status = status;
    this.error = error;
    for (const fn of [...this.listeners]) if (this.listeners.has(fn)) this.tell(fn);
  }

  onStatus(fn: StatusFn): () => void {
    this.listeners.add(fn);
    this.tell(fn);
    return () => this.listeners.delete(fn);
  }

  then<A = PublishResult, B = never>(
    done?: ((result: PublishResult) => A | PromiseLike<A>) | null,
    failed?: ((error: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise.then(done, failed);
  }

  catch<T>(fn: (error: CrosspointError) => T | PromiseLike<T>): Promise<PublishResult | T> {
    return this.promise.catch(fn);
  }

  private tell(fn: StatusFn): void {
    guarded(() => fn(this.status, this.error), undefined, this.report);
  }
}
