import { createRun, removeRun, sweepAbandonedRuns } from '../../scripts/services/index.cjs';

// Read by tests/support/services.ts in jest's workers, which inherit the environment.
const FOLDER_VARIABLE = 'MAILKEEP_TEST_RUN';

/** Makes the folder in which the run's services start when the first test asks for them. */
export default async function globalSetup(): Promise<void> {
  await sweepAbandonedRuns();
  const folder = createRun();
  process.env[FOLDER_VARIABLE] = folder;
  // Jest ends without its teardown when interrupted; a terminal and npm may both send the signal.
  let stopping = false;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stopping) return;
      stopping = true;
      void removeRun(folder).finally(() => {
        process.removeAllListeners(name);
        process.kill(process.pid, name);
      });
    });
  }
}
