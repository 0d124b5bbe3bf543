import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'minor' }) => void;

// V8 lets buffers that nobody holds any more pile up to twice its largest semi-space, 32 MiB, before it looks for them: a large
// message, which passes through in pieces of 64 KiB, would take that much memory for its waste alone. A look costs some 3 ms.
const BYTES_BETWEEN = 8 * 1024 * 1024;

function findCollector(): Collect {
  // There is no other way to ask for it. The flag only decides whether new contexts get the function.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? (collect as Collect) : () => undefined;
}

let collect: Collect | undefined;
let passed = 0;

/** Tells that so many bytes of large messages have passed through; now and then it frees the buffers that carried them. */
export function freeUsedBuffers(bytes: number): void {
  passed += bytes;
  if (passed < BYTES_BETWEEN) return;
  passed = 0;
  collect ??= findCollector();
  collect({ type: 'minor' });
}
