import type { Transaction } from '../../entities/database.js';

/** What the counters need to know of a message that comes or goes. */
export interface CountedMessage {
  readonly receivedAtMs: number;
  /** Code of the strictest action (rule S4). */
  readonly action: number;
  /** One bit for each module that found something. */
  readonly detectedBy: number;
  readonly sizeBytes: number;
}

const HOUR_MS = 3_600_000;

/** Start of the hour that a moment is counted in, ms since 1970 UTC. */
export const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS) * HOUR_MS;

/**
 * Counts messages that come (`sign` 1) or go (-1), and the bytes that their contents take or free (rule S7). The total is one
 * row that serialises its writers: call this right before the change feed, which does so anyway.
 */
export async function countMessages(
  transaction: Transaction,
  messages: readonly CountedMessage[],
  sign: 1 | -1,
  contentBytes: number,
): Promise<void> {
  if (messages.length === 0) return;
  // First, so that two transactions never hold rows of the statistics crosswise.
  await transaction.later('UPDATE backup_total SET messages = messages + ?, used_bytes = used_bytes + ? WHERE id = 1', [
    sign * messages.length,
    sign * contentBytes,
  ]);
  const groups = new Map<string, { key: [number, number, number]; messages: number; sizeBytes: number }>();
  for (const { receivedAtMs, action, detectedBy, sizeBytes } of messages) {
    const key: [number, number, number] = [hourOf(receivedAtMs), action, detectedBy];
    const group = groups.get(key.join()) ?? { key, messages: 0, sizeBytes: 0 };
    group.messages += 1;
    group.sizeBytes += sizeBytes;
    groups.set(key.join(), group);
  }
  const rows = [...groups.values()];
  const values = rows.map(() => '(?, ?, ?, ?, ?)').join(', ');
  const onConflict =
    transaction.kind === 'mysql'
      ? 'ON DUPLICATE KEY UPDATE messages = messages + VALUES(messages), size_bytes = size_bytes + VALUES(size_bytes)'
      : 'ON CONFLICT (hour_at, action, detected_by) DO UPDATE SET messages = messages + excluded.messages, size_bytes = size_bytes + excluded.size_bytes';
  await transaction.later(
    `INSERT INTO backup_statistic (hour_at, action, detected_by, messages, size_bytes) VALUES ${values} ${onConflict}`,
    rows.flatMap((group) => [...group.key, sign * group.messages, sign * group.sizeBytes]),
  );
}
