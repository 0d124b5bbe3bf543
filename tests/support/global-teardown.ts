import { removeRun } from '../../scripts/services/index.cjs';

/** Stops the run's services by pid and removes their folders. */
export default async function globalTeardown(): Promise<void> {
  const folder = process.env['MAILKEEP_TEST_RUN'];
  if (folder) await removeRun(folder);
}
