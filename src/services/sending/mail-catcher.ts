import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type SMTPServerDataStream, type SMTPServerSession, SMTPServer } from 'smtp-server';

/** Where caught mail goes and how much of it is kept. */
export interface MailCatcherSettings {
  /** Made if absent; each message is an .eml file with a .json file beside it. */
  readonly folder: string;
  /** 0 or absent: a free one. Always on 127.0.0.1. */
  readonly port?: number;
  /** The oldest go first; default 10,000. Keeps a demo that runs for days from filling the disk. */
  readonly maxMessages?: number;
  /** Of all kept messages together; default 1 GiB. */
  readonly maxTotalBytes?: number;
  /** Largest message; default 200 MiB. */
  readonly maxMessageBytes?: number;
}

/** The envelope beside a caught message. */
export interface CaughtEnvelope {
  readonly from: string | null;
  readonly to: readonly string[];
  readonly sizeBytes: number;
  readonly caughtAt: string;
}

const MIB = 1024 * 1024;
const MAX_CLIENTS = 50;

interface Kept {
  readonly name: string;
  readonly sizeBytes: number;
}

/** An SMTP server on the loopback address that keeps messages as files instead of delivering them, for the demo. */
export class MailCatcher {
  private readonly server: SMTPServer;
  private kept: Kept[] = [];
  private sequence = 0;

  /** @param onCaught told the path of each .eml file once it and its envelope are complete */
  constructor(
    private readonly settings: MailCatcherSettings,
    private readonly onCaught: (path: string) => void = () => undefined,
  ) {
    this.server = new SMTPServer({
      name: 'mail-catcher.localhost',
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      maxClients: MAX_CLIENTS,
      maxAllowedUnauthenticatedCommands: false,
      size: settings.maxMessageBytes ?? 200 * MIB,
      rejectOversized: true,
      closeTimeout: 1_000,
      onData: (stream, session, done) => {
        this.keep(stream, session).then(
          (name) => done(null, `Ok: kept as ${name}.eml`),
          () => done(Object.assign(new Error('The message could not be kept'), { responseCode: 451 })),
        );
      },
    });
  }

  /** Makes the folder, counts what it holds and listens; rejects when either cannot be done. */
  async start(): Promise<{ host: string; port: number; folder: string }> {
    const { folder } = this.settings;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found: Kept[] = [];
    for (const file of (await readdir(folder)).sort()) {
      if (file.endsWith('.partial')) await rm(join(folder, file));
      else if (file.endsWith('.eml'))
        found.push({ name: file.slice(0, -4), sizeBytes: (await stat(join(folder, file))).size });
    }
    this.kept = found;
    await new Promise<void>((resolve, reject) => {
      // Such as a port that is taken; afterwards, clients that went away, of which nothing was kept.
      this.server.on('error', reject);
      this.server.server.once('listening', resolve);
      this.server.listen(this.settings.port ?? 0, '127.0.0.1');
    });
    return { host: '127.0.0.1', port: (this.server.server.address() as AddressInfo).port, folder };
  }

  /** Ends it; running transfers have a second. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async keep(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
    const caughtAt = new Date().toISOString();
    this.sequence += 1;
    const name = `${caughtAt.replace(/[:.]/g, '-')}-${String(this.sequence).padStart(6, '0')}-${randomBytes(3).toString('hex')}`;
    const path = join(this.settings.folder, name);
    try {
      await pipeline(stream, createWriteStream(`${path}.partial`, { flags: 'wx' }));
      // smtp-server answers 552 to this one by itself.
      if (stream.sizeExceeded) {
        await rm(`${path}.partial`);
        return name;
      }
      const { mailFrom, rcptTo } = session.envelope;
      const envelope: CaughtEnvelope = {
        from: mailFrom && mailFrom.address ? mailFrom.address : null,
        to: rcptTo.map((recipient) => recipient.address),
        sizeBytes: stream.byteLength,
        caughtAt,
      };
      await writeFile(`${path}.json`, `${JSON.stringify(envelope, null, 2)}\n`);
      // Last, so that whoever sees the .eml finds it whole and its envelope beside it.
      await rename(`${path}.partial`, `${path}.eml`);
    } catch (error) {
      await rm(`${path}.partial`, { force: true });
      await rm(`${path}.json`, { force: true });
      throw error;
    }
    this.kept.push({ name, sizeBytes: stream.byteLength });
    await this.dropOldest();
    this.onCaught(`${path}.eml`);
    return name;
  }

  private async dropOldest(): Promise<void> {
    const { folder, maxMessages = 10_000, maxTotalBytes = 1024 * MIB } = this.settings;
    let totalBytes = this.kept.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
    while (this.kept.length > 1 && (this.kept.length > maxMessages || totalBytes > maxTotalBytes)) {
      const oldest = this.kept.shift() as Kept;
      totalBytes -= oldest.sizeBytes;
      await rm(join(folder, `${oldest.name}.eml`), { force: true });
      await rm(join(folder, `${oldest.name}.json`), { force: true });
    }
  }
}
