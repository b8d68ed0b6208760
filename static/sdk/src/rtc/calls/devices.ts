import { CrosspointError } from '../../codes.js';
import type { CallMedia } from './types.js';

export type TrackKind = 'audio' | 'video';
export const KINDS: readonly TrackKind[] = ['audio', 'video'];

/** What a browser's refusal means. */
const CODES: Record<string, string> = {
  NotFoundError: 'not_found',
  OverconstrainedError: 'not_found',
  NotAllowedError: 'forbidden',
  SecurityError: 'forbidden',
  TypeError: 'bad_request',
};

/** What I send: at most one track of each kind. Those that were opened here are stopped when they aren't used any more. */
export class Devices {
  readonly stream = new MediaStream();
  private readonly opened = new Set<MediaStreamTrack>();
  private readonly used = new AbortController();

  constructor(
    /** A track ended by itself: its device is gone. */
    private readonly lost: () => void,
  ) {}

  /** Rejects with what the browser's refusal means. */
  static async open({ audio = false, video = false, stream }: CallMedia, lost: () => void): Promise<Devices> {
    const devices = new Devices(lost);
    if (stream) {
      for (const kind of KINDS) devices.put(kind, stream.getTracks().find((track) => track.kind === kind) ?? null);
    } else if (audio || video) {
      const opened = await userMedia({ audio, video });
      for (const track of opened.getTracks()) devices.opened.add(track);
      for (const kind of KINDS) devices.put(kind, opened.getTracks().find((track) => track.kind === kind) ?? null);
    }
    return devices;
  }

  track(kind: TrackKind): MediaStreamTrack | null {
    return this.stream.getTracks().find((track) => track.kind === kind) ?? null;
  }

  isOn(kind: TrackKind): boolean {
    const track = this.track(kind);
    return track !== null && track.enabled && track.readyState === 'live';
  }

  put(kind: TrackKind, track: MediaStreamTrack | null): void {
    const old = this.track(kind);
    if (old === track) return;
    if (old) {
      this.stream.removeTrack(old);
      if (this.opened.delete(old)) old.stop();
    }
    if (!track) return;
    this.stream.addTrack(track);
    track.addEventListener('ended', () => this.track(kind) === track && this.lost(), { signal: this.used.signal });
  }

  release(): void {
    this.used.abort();
    for (const track of this.opened) track.stop();
    this.opened.clear();
  }
}

async function userMedia(constraints: MediaStreamConstraints): Promise<MediaStream> {
  const { mediaDevices } = navigator;
  if (!mediaDevices) throw new CrosspointError('unavailable', 'only a secure page (https, or localhost) may use devices', 'never');
  try {
    return await mediaDevices.getUserMedia(constraints);
  } catch (cause) {
    const { name, message } = cause as DOMException;
    const error = new CrosspointError(CODES[name] ?? 'unavailable', `${name}: ${message}`, 'never');
    error.cause = cause;
    throw error;
  }
}
