import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { devices, FakeStream, FakeTrack } from './media.js';
import { CrosspointError } from '../src/codes.js';
import { Emitter } from '../src/emitter.js';
import { CallFace } from '../src/rtc/calls/call.js';
import { Media } from '../src/rtc/media.js';
import type { MeshEvents } from '../src/rtc/mesh.js';

const BOTH = { audio: true, video: true };

/** The roster of one room, and the pages on it, each with the part of a mesh that calls use. */
class Roster {
  readonly pages: Page[] = [];

  page(user: string): Page {
    const page = new Page(this, user, `s-${user}`);
    this.pages.push(page);
    return page;
  }
}

class Page {
  joined = false;
  readonly room = { joined: true, name: 'r' };
  readonly core = { report: (error: unknown) => this.log.push(`report ${error}`) };
  readonly links = new Map<string, any>();
  readonly events = new Emitter<MeshEvents>((error) => assert.fail(String(error)));
  readonly emitter = new Emitter<any>((error) => assert.fail(String(error)));
  readonly rooms = new Set<string>();
  readonly needed: string[] = [];
  readonly log: string[] = [];
  readonly call: CallFace;
  state: Record<string, unknown> = {};

  constructor(
    private readonly roster: Roster,
    readonly user: string,
    public session: string,
  ) {
    const calls = { entered: (room: string) => this.rooms.add(room), left: (room: string) => this.rooms.delete(room) };
    this.call = new CallFace(this as any, this.emitter, () => calls as any);
    this.emitter.on('join', ({ user, audio, video }) => this.log.push(`join ${user} ${audio} ${video}`));
    this.emitter.on('leave', ({ user, code }) => this.log.push(`leave ${user} ${code}`));
    this.emitter.on('update', ({ user, audio, video }) => this.log.push(`update ${user} ${audio} ${video}`));
    this.emitter.on('stream', ({ peer }) => this.log.push(`stream ${peer.user}`));
    this.emitter.on('state', ({ joined, audio, video, error }) => this.log.push(`state ${joined} ${audio} ${video} ${error?.code}`));
  }

  async open(): Promise<void> {
    if (this.joined) return;
    this.joined = true;
    for (const other of this.others()) {
      this.meet(other);
      other.meet(this);
    }
  }

  async setState(key: string, value: unknown): Promise<void> {
    if (value === undefined) delete this.state[key];
    else this.state[key] = value;
    if (!this.joined) return;
    for (const other of this.others()) other.events.emit('update', other.links.get(this.session));
  }

  stateOf(link: { page: Page }, key: string): unknown {
    return link.page.state[key];
  }

  need(link: { page: Page }): void {
    this.needed.push(link.page.user);
  }

  end(error: CrosspointError): void {
    this.joined = false;
    for (const other of this.others()) other.part(this, error.code);
    for (const { page } of this.links.values()) this.part(page, error.code);
    this.events.emit('end', error);
  }

  /** Goes on as another session. */
  renew(session: string): void {
    for (const other of this.others()) {
      const link = other.links.get(this.session);
      other.links.delete(this.session);
      other.events.emit('leave', { link, code: 'replaced' });
      link.peer = { ...link.peer, session };
      other.links.set(session, link);
      other.events.emit('join', link);
    }
    this.session = session;
  }

  /** What this page sends to another one. */
  sends(to: Page): { kind: string; track: any }[] {
    const media = this.links.get(to.session).connection.media as any;
    return [...media.held].map(({ kind, track }) => ({ kind, track }));
  }

  /** A track of another page comes. */
  gets(from: Page, track: FakeTrack): void {
    this.links.get(from.session).connection.events.emit('track', { track });
  }

  private others(): Page[] {
    return this.roster.pages.filter((page) => page !== this && page.joined);
  }

  private meet(page: Page): void {
    const { user, session } = page;
    const connection = { media: new Media(), events: new Emitter<any>(() => {}) };
    const link = { page, peer: { user, session }, via: 'direct', connection };
    this.links.set(session, link);
    this.events.emit('join', link as any);
  }

  private part(page: Page, code: string): void {
    const link = this.links.get(page.session);
    this.links.delete(page.session);
    this.events.emit('leave', { link, code });
  }
}

beforeEach(() => {
  devices.opened = [];
  devices.fails = null;
  devices.before = async () => {};
});

test('who joins, mutes and leaves is seen by all, and sent to by those in the call', async () => {
  const roster = new Roster();
  const [ada, bob, cleo] = ['Ada', 'Bob', 'Cleo'].map((user) => roster.page(user)) as [Page, Page, Page];
  await cleo.open();
  assert.deepEqual(await ada.call.join(BOTH), []);
  const [bobs] = [await bob.call.join({ audio: true })];
  assert.deepEqual(bobs.map(({ user, audio, video }) => [user, audio, video]), [['Ada', true, true]]);
  assert.deepEqual(ada.sends(bob).map(({ kind }) => kind), ['audio', 'video']);
  assert.deepEqual(bob.sends(ada).map(({ kind }) => kind), ['audio']);
  assert.deepEqual([ada.sends(cleo), cleo.sends(ada), ada.needed, cleo.needed], [[], [], ['Bob'], []]);
  await ada.call.mute({ video: true });
  await ada.call.mute({ video: false, audio: true });
  await assert.rejects(bob.call.mute({ video: false }), { code: 'not_found' });
  await assert.rejects(cleo.call.mute({ audio: true }), { code: 'not_joined' });
  await bob.call.mute({ video: true });
  await ada.call.leave();
  const seen = ['join Ada true true', 'update Ada true false', 'update Ada false true', 'leave Ada undefined'];
  assert.deepEqual(bob.log.filter((line) => line.includes('Ada')), seen);
  assert.deepEqual(cleo.log.filter((line) => line.includes('Ada')), seen);
  assert.deepEqual(ada.log, ['state true true true undefined', 'join Bob true false', 'state true true false undefined', 'state true false true undefined', 'state false false false undefined']);
  assert.deepEqual([ada.sends(bob), bob.sends(ada)], [[], []]);
  assert.deepEqual(devices.opened.map(({ readyState }) => readyState), ['ended', 'ended', 'live']);
  assert.deepEqual([[...ada.rooms], [...bob.rooms]], [[], ['r']]);
});

test('a call has room for so many others, and who finds none lets the devices go', async () => {
  const roster = new Roster();
  const [ada, bob, cleo] = ['Ada', 'Bob', 'Cleo'].map((user) => roster.page(user)) as [Page, Page, Page];
  await ada.call.join({ max: 1 });
  await bob.call.join({ max: 1 });
  await assert.rejects(cleo.call.join({ ...BOTH, max: 1 }), { code: 'limit_exceeded' });
  assert.deepEqual(devices.opened.map(({ readyState }) => readyState), ['ended', 'ended']);
  assert.deepEqual(ada.call.list.map(({ user }) => user), ['Bob']);
  assert.deepEqual([cleo.call.joined, cleo.state], [false, {}]);
  await cleo.call.join({ max: 2 });
  assert.equal(ada.call.list.length, 2);
  await assert.rejects(cleo.call.join(), { code: 'bad_request' });
});

test('what a browser refuses has a code of its own', async () => {
  const page = new Roster().page('Ada');
  const codes = { NotFoundError: 'not_found', OverconstrainedError: 'not_found', NotAllowedError: 'forbidden', NotReadableError: 'unavailable', TypeError: 'bad_request' };
  for (const [name, code] of Object.entries(codes)) {
    devices.fails = name;
    await assert.rejects(page.call.join(BOTH), (error: CrosspointError) => error.code === code && error.message.includes(name) && error.retry === 'never');
  }
  page.room.joined = false;
  await assert.rejects(page.call.join(), { code: 'not_joined' });
  assert.deepEqual([page.joined, page.state], [false, {}]);
});

test('who leaves while the devices open is not in the call, and has them no more', async () => {
  const page = new Roster().page('Ada');
  devices.before = async () => void (await page.call.leave());
  await assert.rejects(page.call.join(BOTH), { code: 'bye' });
  assert.deepEqual(devices.opened.map(({ readyState }) => readyState), ['ended', 'ended']);
  assert.deepEqual([page.call.joined, page.call.stream, page.state], [false, null, {}]);
});

test('tracks of the application are sent and left alone; one that ends is told of', async () => {
  const roster = new Roster();
  const [ada, bob] = [roster.page('Ada'), roster.page('Bob')];
  const camera = new FakeTrack('video');
  await ada.call.join({ stream: new FakeStream([camera]) as any });
  await bob.call.join();
  assert.deepEqual(ada.sends(bob).map(({ track }) => track), [camera]);
  const screen = new FakeTrack('video');
  await ada.call.replaceTrack('video', screen as any);
  assert.deepEqual(ada.sends(bob).map(({ track }) => track), [screen]);
  await ada.call.replaceTrack('audio', new FakeTrack('audio') as any);
  assert.deepEqual(ada.sends(bob).map(({ kind }) => kind), ['video', 'audio']);
  await assert.rejects(ada.call.replaceTrack('audio', screen as any), { code: 'bad_request' });
  screen.unplug();
  assert.deepEqual(bob.log.filter((line) => line.includes('Ada')), ['join Ada false true', 'update Ada true true', 'update Ada true false']);
  await ada.call.replaceTrack('video', null);
  assert.deepEqual(ada.sends(bob).map(({ track }) => track === null), [true, false]);
  await ada.call.leave();
  assert.equal(camera.readyState, 'live');
});

test('what comes from a peer is one stream over all connections, and over its next session', async () => {
  const roster = new Roster();
  const [ada, bob] = [roster.page('Ada'), roster.page('Bob')];
  await ada.call.join(BOTH);
  await bob.call.join(BOTH);
  const [first, second, sound] = [new FakeTrack('video'), new FakeTrack('video'), new FakeTrack('audio')];
  ada.gets(bob, first);
  ada.gets(bob, sound);
  const { stream } = ada.call.list[0]!;
  ada.gets(bob, second);
  assert.deepEqual((stream as any).getTracks(), [sound, second]);
  bob.renew('s2');
  assert.equal(ada.call.list[0]!.stream, stream);
  assert.equal(ada.call.list[0]!.session, 's2');
  assert.deepEqual(ada.sends(bob).map(({ kind }) => kind), ['audio', 'video'], 'what is sent already is not sent twice');
  assert.deepEqual(ada.log.filter((line) => line.includes('Bob')), ['join Bob true true', 'stream Bob', 'leave Bob replaced', 'join Bob true true', 'stream Bob']);
  await bob.call.leave();
  await bob.call.join();
  assert.equal(ada.call.list[0]!.stream, null);
  ada.gets(bob, new FakeTrack('video'));
  assert.equal(ada.log.at(-1), 'stream Bob');
});

test('who is taken off the roster is in no call', async () => {
  const roster = new Roster();
  const [ada, bob] = [roster.page('Ada'), roster.page('Bob')];
  await ada.call.join(BOTH);
  await bob.call.join();
  ada.end(new CrosspointError('replaced'));
  assert.deepEqual(ada.log.slice(-2), ['leave Bob replaced', 'state false false false replaced']);
  assert.deepEqual([ada.call.joined, ada.call.list, ada.state], [false, [], {}]);
  assert.deepEqual(devices.opened.map(({ readyState }) => readyState), ['ended', 'ended']);
  assert.equal(bob.log.at(-1), 'leave Ada replaced');
});
