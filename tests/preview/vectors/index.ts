import { htmlMessage } from '../compose-message.js';
import { type HostileVector } from './hostile-vector.js';
import { layouts } from './layout.js';
import { links, loads, sizes } from './loads.js';
import { encodings, foreign, forms, pages } from './markup.js';
import { messages } from './messages.js';
import { misleadingLinks } from './misleading-links.js';
import { mutations } from './mutations.js';
import { published } from './published.js';
import { handlers, scripts } from './scripts.js';
import { styleLoads } from './style-loads.js';
import { styles, styleSheets } from './styles.js';
import { surfaces } from './surfaces.js';

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
  ...layouts,
  ...styleLoads,
  ...mutations,
  ...surfaces,
  ...misleadingLinks,
  ...published,
  ...messages,
];

/** Vectors whose size is the attack. */
export const LARGE_VECTORS: readonly HostileVector[] = sizes;

/** The message of a vector, with the address that must never be asked for. */
export function composeVector({ html, message }: HostileVector, beacon: string): Buffer {
  return message?.(beacon) ?? htmlMessage(html.replaceAll('%BEACON%', beacon));
}
