import { type HostileVector } from './hostile-vector.js';
import { links, loads, sizes } from './loads.js';
import { encodings, foreign, forms, pages } from './markup.js';
import { handlers, scripts } from './scripts.js';
import { styles, styleSheets } from './styles.js';

export { type HostileVector } from './hostile-vector.js';

/** Vectors of ordinary size: shown in a browser one beside the other. */
export const VECTORS: readonly HostileVector[] = [
  ...scripts,
  ...handlers,
  ...styles,
  ...styleSheets,
  ...foreign,
  ...encodings,
  ...forms,
  ...pages,
  ...loads,
  ...links,
];

/** Vectors whose size is the attack. */
export const LARGE_VECTORS: readonly HostileVector[] = sizes;
