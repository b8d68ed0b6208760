// A participant of a call: mediasoup-client, whose signaling goes through the hub.

/** Answers are waited for so long: over any outage that the session survives (`limits.resume_ms` of the hub). */
const PATIENCE = { timeoutMs: 60_000 };

/** Joins a call. `client` is a connected client of the hub for the service (`createClient({url, service: 'sfu'})`), `device` a Device of mediasoup-client. */
export async function joinCall(client, device, roomId) {
  const call = new Call(client, device);
  const heard = call.listen();
  try {
    await call.join(roomId);
  } catch (error) {
    heard();
    throw error;
  }
  return call;
}

class Call {
  /** By participant; and by producer, those that are received. */
  participants = new Map();
  consumers = new Map();
  errors = [];

  constructor(client, device) {
    Object.assign(this, { client, device });
    this.ready = new Promise((resolve) => (this.begin = resolve));
  }

  ask(event, data) {
    return this.client.request(event, data, PATIENCE);
  }

  listen() {
    const { client } = this;
    const ends = [
      client.on('participant-joined', ({ participantId, user }) => this.participants.set(participantId, { user, producers: [] })),
      client.on('participant-left', ({ participantId }) => this.left(participantId)),
      client.on('new-producer', ({ participantId, producerId }) => void this.receive(participantId, producerId)),
    ];
    return (this.mute = () => ends.forEach((end) => end()));
  }

  async join(roomId) {
    const { device } = this;
    const { participantId, participants } = await this.ask('join-room', { roomId });
    this.id = participantId;
    for (const { participantId: id, user } of participants) this.participants.set(id, { user, producers: [] });
    await device.load({ routerRtpCapabilities: await this.ask('router-rtp-capabilities', {}) });
    [this.sending, this.receiving] = await Promise.all([this.transport('send'), this.transport('receive')]);
    this.begin();
    await Promise.all(participants.flatMap(({ participantId: id, producers }) => producers.map(({ producerId }) => this.receive(id, producerId))));
  }

  async transport(direction) {
    const { device } = this;
    const options = await this.ask('create-transport', { direction });
    const transport = direction === 'send' ? device.createSendTransport(options) : device.createRecvTransport(options);
    const transportId = transport.id;
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.ask('connect-transport', { transportId, dtlsParameters }).then(() => done(), failed);
    });
    transport.on('produce', ({ kind, rtpParameters }, done, failed) => {
      this.ask('produce', { transportId, kind, rtpParameters }).then(({ producerId }) => done({ id: producerId }), failed);
    });
    return transport;
  }

  /** Sends a track. */
  send(track) {
    return this.sending.produce({ track });
  }

  /** Receives what somebody sends. */
  async receive(participantId, producerId) {
    try {
      await this.ready;
      const { device, receiving } = this;
      const question = { transportId: receiving.id, producerId, rtpCapabilities: device.rtpCapabilities };
      const { consumerId, kind, rtpParameters } = await this.ask('consume', question);
      const consumer = await receiving.consume({ id: consumerId, producerId, kind, rtpParameters });
      await this.ask('resume', { consumerId });
      consumer.resume();
      this.consumers.set(producerId, consumer);
      this.participants.get(participantId)?.producers.push(producerId);
    } catch (error) {
      this.errors.push(error);
    }
  }

  left(participantId) {
    for (const producerId of this.participants.get(participantId)?.producers ?? []) {
      this.consumers.get(producerId)?.close();
      this.consumers.delete(producerId);
    }
    this.participants.delete(participantId);
  }

  async leave() {
    this.mute();
    this.sending.close();
    this.receiving.close();
    await this.ask('leave-room', {});
  }
}
