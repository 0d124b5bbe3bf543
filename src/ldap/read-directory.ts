import type { ChangeMark } from './change-mark.js';
import { readMark } from './change-mark.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import type { DirectoryEntry } from './directory-entry.js';
import { readAllKinds, type OnSkipped } from './entry-reader.js';
import { explainMissingBase } from './missing-base.js';

/** What a reader of a whole directory may want to know beside its entries. */
export interface ReadDirectoryOptions extends ConnectOptions {
  /** Called once before the first entry: where a later incremental synchronisation starts; null when none is possible. */
  readonly onMark?: (mark: ChangeMark | null) => void;
  readonly onSkipped?: OnSkipped;
  readonly signal?: AbortSignal;
}

/**
 * Reads the people, groups and contacts of a directory, one page in memory at a time. Throws an LdapError when
 * anything fails, however late; what was yielded until then is not a directory (rule L3).
 */
export async function* readDirectory(
  settings: LdapConnectionSettings,
  options: ReadDirectoryOptions = {},
): AsyncGenerator<DirectoryEntry> {
  const client = await DirectoryClient.bind(settings, options);
  const onAbort = (): void => client.close();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    // Read before the entries: what changes meanwhile is read again by the next incremental synchronisation.
    options.onMark?.(await readMark(client, settings));
    const reading = options.onSkipped ? { onSkipped: options.onSkipped } : {};
    for await (const entry of readAllKinds(client, settings, reading)) {
      options.signal?.throwIfAborted();
      yield entry;
    }
    options.signal?.throwIfAborted();
  } catch (error) {
    // The abort closes the connection; the error that follows from this is not the reason.
    options.signal?.throwIfAborted();
    throw await explainMissingBase(client, settings.baseDn, error);
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    client.close();
  }
}
