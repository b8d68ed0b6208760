// Mediasoup signaling as a service of the hub: clients' requests come from it, answers and notifications go back by it.
import { CrosspointError, connect } from '../../../static/sdk/dist/crosspoint.js';

const EACH_MAX = 64;

const refusal = (code, message) => new CrosspointError(code, message, 'never');

/** Somebody in a call, as long as their session lives; links come and go below it. */
class Participant {
  transports = new Map();
  producers = new Map();
  consumers = new Map();

  constructor(id, user, call) {
    Object.assign(this, { id, user, call });
  }

  find(what, id) {
    const found = this[what].get(id);
    if (!found) throw refusal('not_found', `no such one among your ${what}`);
    return found;
  }

  add(what, thing) {
    if (this[what].size >= EACH_MAX) throw refusal('limit_exceeded', `${EACH_MAX} ${what} are there already`);
    this[what].set(thing.id, thing);
    return thing;
  }

  get shown() {
    const producers = [...this.producers.values()].map(({ id, kind }) => ({ producerId: id, kind }));
    return { participantId: this.id, user: this.user, producers };
  }
}

/** What clients ask. Each is asked once, however often links break between the question and its answer. */
const handlers = {
  async 'join-room'(sfu, { roomId }, { session, user }) {
    if (typeof roomId !== 'string' || roomId === '') throw refusal('bad_request', 'join-room: roomId must be a text');
    await sfu.client.watch(session);
    if (sfu.participants.has(session)) throw refusal('already_joined', 'leave the other room first');
    const call = sfu.calls.get(roomId) ?? { id: roomId, router: sfu.newRouter(), participants: new Map() };
    sfu.calls.set(roomId, call);
    const others = [...call.participants.values()];
    const participant = new Participant(session, user, call);
    call.participants.set(session, participant);
    sfu.participants.set(session, participant);
    sfu.tell(others, 'participant-joined', { roomId, participantId: session, user });
    return { roomId, participantId: session, participants: others.map(({ shown }) => shown) };
  },

  'leave-room'(sfu, _, { session }) {
    sfu.leave(session);
    return sfu.client.unwatch(session);
  },

  'router-rtp-capabilities': (sfu, _, { session }) => sfu.participant(session).call.router.rtpCapabilities,

  async 'create-transport'(sfu, { direction }, { session }) {
    const { call } = sfu.participant(session);
    if (direction !== 'send' && direction !== 'receive') throw refusal('bad_request', 'create-transport: direction is send or receive');
    const transport = await call.router.createWebRtcTransport();
    sfu.participant(session).add('transports', { id: transport.id, direction, connected: false, consumed: 0 });
    return transport;
  },

  async 'connect-transport'(sfu, { transportId, dtlsParameters }, { session }) {
    const participant = sfu.participant(session);
    const transport = participant.find('transports', transportId);
    if (transport.connected) throw refusal('already_connected', 'this transport is connected');
    transport.connected = true;
    await participant.call.router.connect({ dtlsParameters });
    return {};
  },

  async produce(sfu, { transportId, kind, rtpParameters }, { session }) {
    const participant = sfu.participant(session);
    participant.find('transports', transportId);
    const producer = participant.add('producers', await participant.call.router.produce({ kind, rtpParameters }));
    sfu.tell(sfu.others(participant), 'new-producer', { participantId: session, producerId: producer.id, kind });
    return { producerId: producer.id };
  },

  async consume(sfu, { transportId, producerId, rtpCapabilities }, { session }) {
    const participant = sfu.participant(session);
    const transport = participant.find('transports', transportId);
    const producer = sfu.others(participant).map(({ producers }) => producers.get(producerId)).find(Boolean);
    if (!producer) throw refusal('not_found', 'no such producer');
    const mid = transport.consumed++;
    const { id, kind, rtpParameters } = await participant.call.router.consume({ producer, rtpCapabilities, mid });
    participant.add('consumers', { id, paused: true });
    return { consumerId: id, producerId, kind, rtpParameters };
  },

  async resume(sfu, { consumerId }, { session }) {
    const participant = sfu.participant(session);
    const consumer = participant.find('consumers', consumerId);
    await participant.call.router.resume(consumer);
    consumer.paused = false;
    return {};
  },
};

export class SfuService {
  participants = new Map();
  calls = new Map();

  /** Resolves once clients can ask. `newRouter` makes a call's router. */
  static async start(url, { key, service = 'sfu', newRouter, ...options }) {
    const sfu = new SfuService();
    sfu.newRouter = newRouter;
    const client = (sfu.client = connect(url, { token: key, ...options }));
    for (const type of Object.keys(handlers)) client.onRequest(type, (data, { from }) => sfu.answer(type, data, from));
    client.on('message', ({ type, data, from }) => void sfu.take(type, data, from));
    client.on('ended', ({ session }) => sfu.leave(session));
    const attached = new Promise((resolve, reject) => {
      client.on('session', ({ resumed }) => void (resumed || client.attach(service).then(() => sfu.recall()).then(resolve, reject)));
    });
    try {
      await client.ready();
      await attached;
    } catch (error) {
      client.close();
      throw error;
    }
    return sfu;
  }

  async answer(type, data, from) {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) throw refusal('bad_request', `${type}: data must be an object`);
    try {
      return await handlers[type](this, data, from);
    } catch (error) {
      // What mediasoup refuses is the asker's fault.
      throw error instanceof TypeError || error?.name === 'UnsupportedError' ? refusal('bad_request', `${type}: ${error.message}`) : error;
    }
  }

  /** What was sent without asking for an answer. */
  async take(type, data, from) {
    try {
      if (!Object.hasOwn(handlers, type)) throw refusal('unknown_type', `${type}: there is no such event`);
      await this.answer(type, data, from);
    } catch ({ code, message }) {
      this.client.send(`session:${from.session}`, 'signaling-error', { of: type, code: code ?? 'internal', message });
    }
  }

  participant(session) {
    const participant = this.participants.get(session);
    if (!participant) throw refusal('not_joined', 'join a room first');
    return participant;
  }

  others({ id, call }) {
    return [...call.participants.values()].filter((other) => other.id !== id);
  }

  tell(participants, type, data) {
    for (const { id } of participants) this.client.send(`session:${id}`, type, data);
  }

  leave(session) {
    const participant = this.participants.get(session);
    if (!participant) return;
    const { call, user } = participant;
    this.participants.delete(session);
    call.participants.delete(session);
    if (call.participants.size === 0) this.calls.delete(call.id);
    this.tell(call.participants.values(), 'participant-left', { roomId: call.id, participantId: session, user });
  }

  /** A new session of this service watches nobody: whose session ended meanwhile has left. */
  async recall() {
    for (const session of this.participants.keys()) await this.client.watch(session).catch(() => this.leave(session));
  }

  close() {
    this.client.close();
  }
}
