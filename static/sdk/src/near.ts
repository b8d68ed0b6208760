import type { BulkFrame, Delivered } from './bulk/bulk.js';
import type { Core } from './core.js';
import { Emitter } from './emitter.js';
import type { Frame } from './frame.js';
import { load } from './parts.js';
import type { RoomImpl } from './room.js';
import type { CallsDoor } from './rtc/calls/door.js';

/** Frames that may wait until what they are for is loaded. */
const EARLY_MAX = 1_024;

/** What of a room is loaded when it is first used, as it looks before. */
const FACES = { call: { joined: false, audio: false, video: false, stream: null, list: [] }, files: { list: [] }, peers: { joined: false, list: [] } };

export type FaceName = keyof typeof FACES;

/** Sends in bulk, as a client does. */
export interface BulkWay {
  send(frame: BulkFrame, signal?: AbortSignal): Promise<Delivered>;
  bytesMax(): number;
}

/** What is behind the faces of a room. */
export interface Rtc {
  readonly faces: Record<FaceName, object>;
  take(frame: Frame): void;
  /** The session has left the room. */
  left(): void;
}

/** Stands for what a room does from peer to peer until that is loaded, and leads there afterwards. */
export class Near {
  private rtc: Rtc | null = null;
  private loading: Promise<Rtc> | null = null;
  private early: Frame[] = [];
  private readonly made = new Map<FaceName, object>();
  private readonly emitters = {} as Record<FaceName, Emitter<any>>;

  constructor(
    private readonly core: Core,
    private readonly room: RoomImpl,
    private readonly calls: () => CallsDoor,
    private readonly bulk: BulkWay,
  ) {
    for (const name of Object.keys(FACES) as FaceName[]) this.emitters[name] = new Emitter((error) => core.report(error));
  }

  face(name: FaceName): any {
    let face = this.made.get(name);
    if (!face) {
      const { emitters } = this;
      const { [name]: emitter } = emitters;
      const own: Record<PropertyKey, unknown> = {
        on: emitter.on.bind(emitter),
        once: emitter.once.bind(emitter),
        off: emitter.off.bind(emitter),
        // What has one is taken for a promise.
        then: undefined,
      };
      face = new Proxy(own, {
        get: (_, key) => {
          if (key in own || typeof key === 'symbol') return own[key];
          const seen = (this.rtc?.faces[name] ?? FACES[name]) as any;
          if (key in seen && typeof seen[key] !== 'function') return seen[key];
          return async (...args: unknown[]) => ((this.rtc ?? (await this.load())).faces[name] as any)[key](...args);
        },
      });
      this.made.set(name, face);
      this.load().catch(() => {});
    }
    return face;
  }

  take(frame: Frame): void {
    if (this.rtc) this.rtc.take(frame);
    else if (this.early.length < EARLY_MAX) this.early.push(frame);
  }

  left(): void {
    this.early = [];
    this.rtc?.left();
  }

  private load(): Promise<Rtc> {
    this.loading ??= load('rtc').then(
      ({ open }) => {
        this.rtc = open(this.core, this.room, this.emitters, this.calls, this.bulk);
        for (const frame of this.early.splice(0)) this.rtc.take(frame);
        return this.rtc;
      },
      (error) => {
        this.loading = null;
        throw error;
      },
    );
    return this.loading;
  }
}
