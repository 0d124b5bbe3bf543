import { join } from 'node:path';
import type { Router } from 'express';
import type { Config } from '../config.js';
import { PublicError } from '../errors.js';
import { type IntakeOutcome, intakeRouter, outcomeOf } from '../doors/intake-router.js';
import type { Logger } from '../log.js';
import { lmtpSettings, spoolSettings } from './places.js';
import type { MessageStore } from '../services/backup/message-store.js';
import { DurableStore } from '../services/intake/durable-store.js';
import { Intake } from '../services/intake/intake.js';
import { IntakeGate } from '../services/intake/intake-gate.js';
import { IntakeTokens } from '../services/intake/intake-tokens.js';
import { LmtpListener } from '../services/intake/lmtp-listener.js';
import { PeerRate } from '../services/intake/peer-rate.js';
import { isTemporary } from '../services/intake/scanners/hand-over-errors.js';
import { removeLeftBehind } from '../services/intake/scanners/spill-buffer.js';
import { loadVerdictMapping } from '../services/intake/scanners/verdict-mapping.js';
import { Spool } from '../services/intake/spool.js';
import { SpoolDrain } from '../services/intake/spool-drain.js';
import type { SpoolState } from '../services/intake/spool-settings.js';
import { within } from '../services/intake/time-limit.js';
import { TokenMirror } from '../services/intake/token-mirror.js';
import type { ApiTokens } from '../services/session/api-tokens.js';

const METADATA_BYTES = 4 * 1024 * 1024;
const MEMORY_BYTES = 256 * 1024;

/** What intake needs of the application. */
export interface IntakeParts {
  readonly config: Config;
  readonly store: MessageStore;
  /** Stores without the spool: for what comes out of it. */
  readonly direct: Intake;
  readonly tokens: ApiTokens;
  readonly log: Logger;
  readonly onOutcome: (source: string, outcome: IntakeOutcome) => void;
  /** Key of the marks on what Backup itself has sent. */
  readonly loopMarkKey: Buffer;
  /** Told of each message that Backup itself has sent and a gateway put aside again. */
  readonly onLoop: (source: string) => void;
}

/** Intake at work. */
export interface RunningIntake {
  readonly router: Router;
  readonly spool: () => SpoolState;
  /** Messages under way. */
  readonly underWay: () => number;
  /** Connections of the LMTP or SMTP listener. */
  readonly lmtpConnections: () => number;
  /** Where the LMTP or SMTP listener listens; undefined when it is off. */
  readonly lmtpAddress: string | undefined;
  /** Lets scanners hand nothing over any more; to be called before the doors close. */
  stopListening(): Promise<void>;
  /** Ends draining and gives the spool back; to be called when nothing arrives any more. */
  stop(): Promise<void>;
}

/** Opens the spool, begins to drain it, and starts the listener for scanners where one is configured (rule S6). */
export async function startIntake({
  config,
  store,
  direct,
  tokens,
  log,
  onOutcome,
  loopMarkKey,
  onLoop,
}: IntakeParts): Promise<RunningIntake> {
  const mapping = loadVerdictMapping(config.verdictMappingFile || undefined);
  const temporaryFolder = join(config.dataDir, 'tmp');
  const spool = await Spool.open(spoolSettings(config), log);
  const gate = new IntakeGate({ messages: config.intakeMaxUnderWay, memoryBytes: config.intakeMemoryBytes });
  const intake = new Intake(
    new DurableStore(store, spool, config.intakeStoreLimitMs, log),
    { messageBytes: config.messageLimitBytes, temporaryFolder },
    gate,
    {
      keys: [loopMarkKey],
      onLoop: ({ sendingId, sentAtMs }, { messageId }, source) => {
        onLoop(source);
        const sentAt = new Date(sentAtMs).toISOString();
        log.warn(
          { source, messageId, sendingId, sentAt },
          'a gateway put aside what Backup has sent: let the relay deliver past its filter',
        );
      },
    },
  );
  await removeLeftBehind(temporaryFolder).catch((error: unknown) =>
    log.warn({ err: error }, 'temporary files of a killed process stay'),
  );
  const drain = new SpoolDrain(spool, direct, store, log);
  const mirror = new TokenMirror(tokens, join(config.dataDir, 'intake-tokens.json'), log);
  const router = intakeRouter({
    intake,
    tokens: new IntakeTokens(tokens, mirror, config.intakeStoreLimitMs),
    mapping,
    rate: new PeerRate(config.intakeMessagesPerSecond),
    limits: {
      messageBytes: config.messageLimitBytes,
      metadataBytes: METADATA_BYTES,
      memoryBytes: MEMORY_BYTES,
      temporaryFolder,
    },
    log,
    onOutcome,
  });
  const settings = lmtpSettings(config);
  let listener: LmtpListener | undefined;
  let lmtpAddress: string | undefined;
  try {
    if (settings) {
      listener = new LmtpListener(
        settings,
        mapping,
        async (handOver, message) => {
          try {
            const acceptance = await intake.receive(handOver, message, 'lmtp');
            onOutcome('lmtp', outcomeOf(acceptance));
            return acceptance.spooled ? 'SPOOLED' : 'STORED';
          } catch (error) {
            onOutcome('lmtp', isTemporary(error) ? 'refused_temporarily' : 'refused');
            if (!(error instanceof PublicError)) log.error({ err: error }, 'intake refused a message');
            throw error;
          }
        },
        log,
      );
      lmtpAddress = (await listener.start()).address;
    }
  } catch (error) {
    await spool.close();
    throw error;
  }
  drain.start();
  mirror.start();
  return {
    router,
    spool: () => spool.state(),
    underWay: () => gate.messages,
    lmtpConnections: () => listener?.state().connections ?? 0,
    lmtpAddress,
    stopListening: async () => listener?.stop(),
    stop: async () => {
      // A database that hangs must not keep the process: what is under way is still in the spool.
      await within(Promise.all([drain.stop(), mirror.stop()]), config.stopTimeoutMs);
      await within(spool.close(), config.stopTimeoutMs);
    },
  };
}
