import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** A worker does not share the loader of its parent, so from the sources it registers the compiler of the tests itself. */
const FROM_SOURCES = `
  const { workerData } = require('node:worker_threads');
  require(workerData.loader);
  require(workerData.entry);
`;

/** Starts a preview worker: from the compiled program, or from the TypeScript sources where nothing is compiled (tests, benchmarks). */
export function startPreviewWorker(options: WorkerOptions): Worker {
  const compiled = join(__dirname, 'preview-worker.js');
  if (existsSync(compiled)) return new Worker(compiled, options);
  const entry = join(__dirname, 'preview-worker.ts');
  const loader = join(__dirname, '../../../scripts/register-typescript.cjs');
  return new Worker(FROM_SOURCES, { ...options, eval: true, workerData: { entry, loader } });
}
