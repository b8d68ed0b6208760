/** Tracks, streams and devices as far as calls use them. */
export class FakeTrack extends EventTarget {
  enabled = true;
  readyState: 'live' | 'ended' = 'live';

  constructor(readonly kind: 'audio' | 'video') {
    super();
  }

  stop(): void {
    this.readyState = 'ended';
  }

  /** Its device is unplugged. */
  unplug(): void {
    this.stop();
    this.dispatchEvent(new Event('ended'));
  }
}

export class FakeStream {
  private tracks: FakeTrack[];

  constructor(tracks: FakeTrack[] = []) {
    this.tracks = [...tracks];
  }

  getTracks = (): FakeTrack[] => [...this.tracks];

  addTrack(track: FakeTrack): void {
    if (!this.tracks.includes(track)) this.tracks.push(track);
  }

  removeTrack(track: FakeTrack): void {
    this.tracks = this.tracks.filter((other) => other !== track);
  }
}

/** What was opened, and why nothing is. */
export const devices = { opened: [] as FakeTrack[], fails: null as string | null, before: async () => {} };

const mediaDevices = {
  async getUserMedia({ audio, video }: { audio: unknown; video: unknown }) {
    await devices.before();
    if (devices.fails) throw Object.assign(new Error('refused'), { name: devices.fails });
    const tracks = [...(audio ? [new FakeTrack('audio')] : []), ...(video ? [new FakeTrack('video')] : [])];
    devices.opened.push(...tracks);
    return new FakeStream(tracks);
  },
};

Object.assign(globalThis, { MediaStream: FakeStream });
Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices }, configurable: true, writable: true });
