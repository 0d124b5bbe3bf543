import { open } from 'node:fs/promises';

/** Makes the names in a folder durable (fsync of the folder). */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Syncs a folder for many callers: those that come while one sync is under way share the next one. */
export class FolderSync {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** Resolves once a sync that began after this call has ended. */
  sync(path: string): Promise<void> {
    if (!this.#running) {
      this.#running = syncFolder(path).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined) // whoever waits for that one is told
      .then(() => {
        this.#next = undefined;
        return this.sync(path);
      });
    return this.#next;
  }
}
