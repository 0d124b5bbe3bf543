import { containers } from './containers.js';
import { oddPrograms } from './odd-programs.js';
import { kinds, names } from './special.js';
import { structure } from './structure.js';
import { charsets, texts, transfers } from './texts.js';
import { type TortureMessage } from './torture-message.js';

/** Messages written to be hard to read. */
export const TORTURE: readonly TortureMessage[] = [
  ...structure,
  ...charsets,
  ...transfers,
  ...texts,
  ...names,
  ...kinds,
  ...containers,
  ...oddPrograms,
];
