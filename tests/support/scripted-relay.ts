import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type SMTPServerDataStream, type SMTPServerSession, SMTPServer } from 'smtp-server';

/** A message as it came over the wire, after the transparency dots were taken off. */
export interface ReceivedMessage {
  readonly from: string;
  readonly to: readonly string[];
  readonly bytes: Buffer;
  /** BODY of MAIL: "7bit" unless the client said otherwise. */
  readonly bodyType: string;
  readonly smtpUtf8: boolean;
  /** SIZE of MAIL. */
  readonly declaredSize: number | null;
  readonly secure: boolean;
  readonly user: string | null;
  /** The name that the client gave with EHLO or LHLO. */
  readonly client: string;
}

/** What the relay answers; replies read like "450 4.2.1 Mailbox busy". Absent: everything is taken. */
export interface RelayScript {
  readonly mail?: string;
  readonly rcpt?: Readonly<Record<string, string>>;
  /** The answer to the message; with LMTP one for all, or one per recipient. */
  readonly message?: string | Readonly<Record<string, string>>;
  /** When the connection is cut: when the first bytes of the message are here, or after all of it and before the answer. */
  readonly cut?: 'AFTER_DATA' | 'BEFORE_REPLY';
  /** The answer to the message waits for this. */
  readonly hold?: Promise<void>;
}

/** What the relay is like. */
export interface ScriptedRelayOptions {
  readonly lmtp?: boolean;
  readonly tls?: {
    readonly key: string;
    readonly cert: string;
    readonly implicit?: boolean;
    readonly required?: boolean;
  };
  readonly without?: readonly ('8BITMIME' | 'PIPELINING' | 'SMTPUTF8')[];
  readonly sizeBytes?: number;
  /** Further connections are answered with 421. */
  readonly maxConnections?: number;
  readonly auth?: { readonly user: string; readonly password: string };
}

function asError(reply: string): Error {
  return Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });
}

const refusal = (reply: string | undefined) => (reply && !reply.startsWith('2') ? asError(reply) : null);

/** An SMTP or LMTP server on 127.0.0.1 that does what its script says and keeps what it receives. */
export class ScriptedRelay {
  script: RelayScript = {};
  readonly received: ReceivedMessage[] = [];
  /** Connections since the start, and how many are open. */
  connections = { made: 0, open: 0, mostOpen: 0 };
  private readonly server: SMTPServer;
  private readonly waiting: { count: number; resolve: () => void }[] = [];

  constructor(private readonly options: ScriptedRelayOptions = {}) {
    const hidden = new Set(options.without);
    this.server = new SMTPServer({
      name: 'relay.test',
      lmtp: options.lmtp ?? false,
      secure: options.tls?.implicit ?? false,
      ...(options.tls ? { key: options.tls.key, cert: options.tls.cert } : {}),
      hide8BITMIME: hidden.has('8BITMIME'),
      hidePIPELINING: hidden.has('PIPELINING'),
      hideSMTPUTF8: hidden.has('SMTPUTF8'),
      hideSTARTTLS: !options.tls,
      disabledCommands: [
        ...(options.tls && !options.tls.implicit ? [] : ['STARTTLS']),
        ...(options.auth ? [] : ['AUTH']),
      ],
      authOptional: !options.auth,
      allowInsecureAuth: true,
      disableReverseLookup: true,
      maxAllowedUnauthenticatedCommands: false,
      ...(options.sizeBytes ? { size: options.sizeBytes } : {}),
      ...(options.maxConnections ? { maxClients: options.maxConnections } : {}),
      closeTimeout: 100,
      onConnect: (_session, done) => {
        this.connections.made += 1;
        this.connections.open += 1;
        this.connections.mostOpen = Math.max(this.connections.mostOpen, this.connections.open);
        done();
      },
      onClose: () => {
        this.connections.open -= 1;
      },
      onAuth: (auth, _session, done) => {
        const right = auth.username === options.auth?.user && auth.password === options.auth?.password;
        done(right ? null : asError('535 5.7.8 Authentication credentials invalid'), { user: auth.username });
      },
      onMailFrom: (_address, session, done) => {
        if (options.tls?.required && !session.secure) done(asError('530 5.7.0 Must issue a STARTTLS command first'));
        else done(refusal(this.script.mail));
      },
      onRcptTo: (address, _session, done) => done(refusal(this.script.rcpt?.[address.address])),
      onData: (stream, session, done) => void this.receive(stream, session, done),
    });
    // A client that refuses our certificate, or a connection that we cut.
    this.server.on('error', () => undefined);
  }

  async start(): Promise<{ host: string; port: number }> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server.server, 'listening');
    return { host: '127.0.0.1', port: (this.server.server.address() as AddressInfo).port };
  }

  async stop(): Promise<void> {
    this.dropConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** Cuts all connections, as a restart of the relay does. */
  dropConnections(): void {
    for (const connection of this.server.connections) connection._socket?.destroy();
  }

  /** Resolves once so many messages are here. */
  async messages(count: number): Promise<readonly ReceivedMessage[]> {
    if (this.received.length < count) await new Promise<void>((resolve) => this.waiting.push({ count, resolve }));
    return this.received;
  }

  private async receive(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    done: (error?: Error | null, answers?: string | (string | Error)[]) => void,
  ): Promise<void> {
    const { script } = this;
    const cut = () =>
      [...this.server.connections].find((connection) => connection.session === session)?._socket?.destroy();
    if (script.cut === 'AFTER_DATA') {
      stream.once('data', cut);
      return;
    }
    const pieces: Buffer[] = [];
    try {
      for await (const piece of stream) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const { mailFrom, rcptTo } = session.envelope;
    this.received.push({
      from: mailFrom ? mailFrom.address : '',
      to: rcptTo.map((recipient) => recipient.address),
      bytes: Buffer.concat(pieces),
      bodyType: session.envelope.bodyType ?? '7bit',
      smtpUtf8: session.envelope.smtpUtf8 ?? false,
      declaredSize:
        mailFrom && mailFrom.args && typeof mailFrom.args['SIZE'] === 'string' ? Number(mailFrom.args['SIZE']) : null,
      secure: session.secure,
      user: typeof session.user === 'string' ? session.user : null,
      client: session.hostNameAppearsAs || '',
    });
    for (const { resolve } of this.waiting.filter(({ count }) => this.received.length >= count)) resolve();
    if (script.cut === 'BEFORE_REPLY') {
      cut();
      return;
    }
    await script.hold;
    const answer = (address: string) =>
      (typeof script.message === 'object' ? script.message[address] : script.message) ?? '250 2.0.0 Ok: queued';
    if (this.options.lmtp) {
      done(
        null,
        rcptTo.map(({ address }) => refusal(answer(address)) ?? `${answer(address).slice(4)} for ${address}`),
      );
      return;
    }
    done(refusal(answer('')), answer('').slice(4));
  }
}
