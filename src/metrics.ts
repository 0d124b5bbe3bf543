import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type Request, type Response, Router } from 'express';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { IntakeOutcome } from './doors/intake-router.js';
import type { Logger } from './log.js';
import { TOO_SLOW, within } from './services/intake/time-limit.js';

/** What is asked for when Prometheus reads; a part that cannot tell throws and is left out. */
export interface MeasuredParts {
  spool(): {
    readonly entries: number;
    readonly bytes: number;
    readonly oldestAtMs: number | null;
    readonly setAside: number;
  };
  /** Whether everything runs, as /readyz tells. */
  isReady(): Promise<boolean>;
  intakeUnderWay(): number;
  /** Hand-overs that wait for their turn to be committed. */
  intakeWaiting(): number;
  lmtpConnections(): number;
  /** Deliveries that wait or are under way. */
  sendingQueue(): Promise<number>;
  liveClients(): number;
  subscriptions(): number;
  use(): Promise<{ readonly usedBytes: number; readonly messageCount: number; readonly limitBytes: number }>;
  /** When each directory connection was last synchronised, by id; null: never. */
  synchronisedAtMs(): Promise<ReadonlyMap<number, number | null>>;
}

// From what a list should cost to what nobody waits for, seconds.
const LIST_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

// A database that hangs must not keep the other measures from being read.
const ANSWER_LIMIT_MS = 2_000;

const sha256 = (text: string) => createHash('sha256').update(text).digest();

/** Measures for Prometheus; labels are closed sets, never addresses or other content of messages. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #intake = new Counter({
    name: 'mailkeep_intake_messages_total',
    help: 'Hand-overs by how they came in and what became of them.',
    labelNames: ['source', 'outcome'] as const,
    registers: [this.#registry],
  });
  readonly #loops = new Counter({
    name: 'mailkeep_intake_loops_total',
    help: 'Messages that Backup itself has sent and a gateway put aside again, by how they came in.',
    labelNames: ['source'] as const,
    registers: [this.#registry],
  });
  readonly #lists = new Histogram({
    name: 'mailkeep_list_duration_seconds',
    help: 'Time to read one page of a list from the database.',
    labelNames: ['list'] as const,
    buckets: LIST_BUCKETS,
    registers: [this.#registry],
  });
  #server: Server | undefined;

  constructor(private readonly log: Logger) {
    // Event-loop delay, memory, garbage collection and file descriptors of the process.
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Counts a hand-over. */
  readonly countIntake = (source: string, outcome: IntakeOutcome): void => {
    this.#intake.inc({ source, outcome });
  };

  /** Counts a message that Backup itself has sent and that comes back. */
  readonly countLoop = (source: string): void => {
    this.#loops.inc({ source });
  };

  /** Measures every call of `list` on a service. */
  timeLists<Service extends { list(...arguments_: never[]): Promise<unknown> }>(
    service: Service,
    list: string,
  ): Service {
    const read = service.list.bind(service) as (...arguments_: never[]) => Promise<unknown>;
    service.list = async (...arguments_: never[]) => {
      const end = this.#lists.startTimer({ list });
      try {
        return await read(...arguments_);
      } finally {
        end();
      }
    };
    return service;
  }

  /** Adds what is measured only when it is asked for. */
  measure(parts: MeasuredParts): void {
    const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
      this.#gauge(name, help, async (self) => self.set(await read()));
    gauge('mailkeep_spool_messages', 'Messages that wait in the spool.', () => parts.spool().entries);
    gauge('mailkeep_spool_bytes', 'Bytes that wait in the spool.', () => parts.spool().bytes);
    gauge('mailkeep_spool_oldest_age_seconds', 'Age of the oldest message in the spool; 0: it is empty.', () => {
      const { oldestAtMs } = parts.spool();
      return oldestAtMs === null ? 0 : Math.max(0, (Date.now() - oldestAtMs) / 1000);
    });
    gauge('mailkeep_spool_set_aside_messages', 'Messages that can never be stored.', () => parts.spool().setAside);
    gauge('mailkeep_ready', '1 when everything runs, as /readyz tells; 0 when not.', async () =>
      (await parts.isReady()) ? 1 : 0,
    );
    gauge('mailkeep_intake_waiting', 'Hand-overs that wait to be committed.', () => parts.intakeWaiting());
    gauge('mailkeep_lmtp_connections', 'Connections of scanners by LMTP or SMTP.', () => parts.lmtpConnections());
    gauge('mailkeep_sending_queue', 'Deliveries that wait or are under way.', () => parts.sendingQueue());
    gauge('mailkeep_backup_limit_bytes', 'Bytes that Backup may take.', async () => (await parts.use()).limitBytes);
    gauge('mailkeep_intake_under_way', 'Messages that intake carries now.', () => parts.intakeUnderWay());
    gauge('mailkeep_live_clients', 'Clients connected by WebSocket.', () => parts.liveClients());
    gauge('mailkeep_live_subscriptions', 'Followers of the change feed.', () => parts.subscriptions());
    gauge('mailkeep_backup_messages', 'Messages in Backup.', async () => (await parts.use()).messageCount);
    gauge('mailkeep_backup_used_bytes', 'Bytes that Backup takes.', async () => (await parts.use()).usedBytes);
    this.#gauge(
      'mailkeep_directory_sync_age_seconds',
      'Time since the last successful synchronisation; +Inf: never.',
      async (self) => {
        self.reset();
        for (const [connection, atMs] of await parts.synchronisedAtMs())
          self.set({ connection: String(connection) }, atMs === null ? Infinity : (Date.now() - atMs) / 1000);
      },
      ['connection'],
    );
  }

  /** The measures in Prometheus's text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** GET / for whoever has the token. */
  router(token: string): Router {
    const expected = sha256(`Bearer ${token}`);
    const router = Router();
    router.get('/', (request: Request, response: Response, next) => {
      if (!timingSafeEqual(sha256(request.get('authorization') ?? ''), expected)) {
        response.status(401).set('WWW-Authenticate', 'Bearer realm="metrics"').end();
        return;
      }
      this.text().then((text) => response.type(this.#registry.contentType).send(text), next);
    });
    return router;
  }

  /** Listens on an address of its own ("127.0.0.1:9464"), without a token; gives the port. */
  async listen(address: string): Promise<number> {
    const [, host = '', port = '0'] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
    const server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      this.text().then(
        (text) => response.writeHead(200, { 'Content-Type': this.#registry.contentType }).end(text),
        (error: unknown) => {
          this.log.warn({ err: error }, 'metrics could not be read');
          response.writeHead(500).end();
        },
      );
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(port), host, resolve);
    });
    const bound = server.address();
    return typeof bound === 'object' && bound ? bound.port : Number(port);
  }

  /** Ends listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  #gauge(name: string, help: string, read: (self: Gauge) => Promise<void>, labelNames: string[] = []): void {
    const { log } = this;
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        // The other measures matter most when one part is down.
        const done = await within(read(this), ANSWER_LIMIT_MS).catch((error: unknown) => {
          log.debug({ err: error, name }, 'a measure could not be read');
          return TOO_SLOW;
        });
        if (done === TOO_SLOW) this.reset();
      },
    });
  }
}
