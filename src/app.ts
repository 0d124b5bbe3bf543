import type { Config } from './config.js';
import { type Backend, createBackend } from './composition/create-backend.js';
import { createDoors } from './composition/create-doors.js';
import { createResolvers } from './composition/create-resolvers.js';
import { type Services, createServices } from './composition/create-services.js';
import { Database } from './entities/database.js';
import type { Logger } from './log.js';
import { Metrics } from './metrics.js';
import { databaseLocation } from './composition/places.js';
import { createSchema } from './resolvers/schema.js';
import { within } from './services/intake/time-limit.js';
import { startSending } from './services/sending/start-sending.js';
import { ensureFirstAdministrator } from './services/session/first-administrator.js';
import { startIntake } from './composition/start-intake.js';
import { StartUp } from './composition/start-up.js';

/** A running server. */
export interface App {
  readonly database: Database;
  readonly services: Services;
  readonly port: number;
  /** Where scanners hand over by LMTP or SMTP; undefined when the listener is off. */
  readonly lmtpAddress: string | undefined;
  /** Where Prometheus reads without a token; undefined when it does not. */
  readonly metricsPort: number | undefined;
  /** Why the database cannot be used yet, in the driver's word; undefined when everything runs. */
  waitingFor(): string | undefined;
  /** Calls back once everything runs, with the password that was made up for the first administrator; to be shown once. */
  whenComplete(done: (oneTimePassword: string | undefined) => void): void;
  /** Ends what runs, takes nothing new, and closes everything. */
  stop(): Promise<void>;
}

/**
 * Builds the server and starts it: configuration → database → services → resolvers → doors → workers. While a database server
 * is away the doors are open all the same: hand-overs go to the spool, everything else hears DATABASE_UNAVAILABLE, and what
 * is missing comes up by itself once it is back (rule S6). Resolves when everything runs, or is known to have to wait.
 */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const database = new Database(databaseLocation(config));
  const services = createServices(config, log, database);
  const { feed } = services;
  let oneTimePassword: string | undefined;
  const startUp = new StartUp(
    async () => {
      await database.connect();
      oneTimePassword ??= await ensureFirstAdministrator(
        database,
        services.passwords,
        config.adminLogin,
        config.adminPassword,
      );
      await feed.start();
    },
    // A file does not come back by waiting, and the spool lies beside it.
    database.kind === 'mysql',
    log,
  );
  // A server is asked while the rest is put together.
  const firstAttempt = startUp.begin();
  firstAttempt.catch(() => undefined); // it is waited for below
  const stopStartUp = () => within(startUp.stop(), config.stopTimeoutMs);
  const stops: (() => unknown)[] = [() => database.close(), () => feed.stop(), stopStartUp];
  const stop = async () => {
    while (stops.length > 0) await stops.pop()?.();
  };
  try {
    const metrics = new Metrics(log);
    const backend = createBackend(config, log, database, services, metrics);
    stops.push(() => backend.renderer.stop());
    const intake = await startIntake({
      config,
      store: services.store,
      direct: services.intake,
      tokens: services.tokens,
      loopMarkKey: services.loopMarkKey,
      log,
      onOutcome: metrics.countIntake,
      onLoop: metrics.countLoop,
    });
    stops.push(
      () => services.store.settled(),
      () => metrics.stop(),
      () => intake.stop(),
    );
    const schema = await createSchema(createResolvers(database, services, backend, intake.spool));
    const doors = createDoors({
      config,
      log,
      database,
      services,
      backend,
      intake,
      metrics,
      schema,
      waitingFor: () => startUp.fault,
    });
    stops.push(
      () => doors.http.stop(config.stopTimeoutMs),
      () => doors.webSocket.stop(config.stopTimeoutMs),
      () => intake.stopListening(),
    );
    const port = await doors.http.start(config.httpHost, config.httpPort);
    const metricsPort = config.metricsListen ? await metrics.listen(config.metricsListen) : undefined;
    startUp.whenUp(() => stops.push(startWorkers(config, log, database, services, backend)));
    stops.push(stopStartUp);
    await firstAttempt;
    return {
      database,
      services,
      port,
      lmtpAddress: intake.lmtpAddress,
      metricsPort,
      waitingFor: () => startUp.fault,
      whenComplete: (done) => startUp.whenUp(() => done(oneTimePassword)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts what works by itself in the background; gives its stop. */
function startWorkers(
  config: Config,
  log: Logger,
  database: Database,
  { feed, contents, loopMarkKey, synchronisation }: Services,
  { operations, personalMessages, access, relay, rightOfWay, retention, upkeep }: Backend,
): () => Promise<unknown> {
  synchronisation.start();
  retention.start();
  const sending = startSending({
    database,
    feed,
    contents,
    operations,
    personalMessages,
    access,
    relay,
    rightOfWay,
    loopMarkKey,
    senderName: config.senderName,
    connections: config.relayConnections,
    leaseMs: config.operationLeaseMs,
    retryLimitMs: config.retryLimitMs,
    log,
  });
  upkeep.start();
  return () => Promise.all([synchronisation.stop(), sending.stop(), upkeep.stop(), retention.stop()]);
}
