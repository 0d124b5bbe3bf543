import { BlockList, isIP } from 'node:net';
import { BadInputError } from '../../errors.js';

/** Name of the peer at the other end of a Unix socket, which has no address; the socket's file permissions guard it. */
export const UNIX_PEER = 'unix';

/** A list of addresses ("127.0.0.1"), networks ("10.0.0.0/8") and the word "unix". */
export class PeerList {
  readonly #addresses = new BlockList();
  #unix = false;

  /** Throws BadInputError naming `setting` and the entry that is neither. */
  constructor(setting: string, entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', length, ...rest] = entry.trim().split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      const bits = Number(length);
      const longest = family === 'ipv6' ? 128 : 32;
      if (entry === UNIX_PEER) this.#unix = true;
      else if (
        isIP(address) === 0 ||
        rest.length > 0 ||
        (length !== undefined && !(/^\d+$/.test(length) && bits <= longest))
      ) {
        throw new BadInputError(
          setting,
          `${setting}: "${entry}" is no address such as 127.0.0.1, no network such as 10.0.0.0/8, and not "unix".`,
        );
      } else if (length === undefined) this.#addresses.addAddress(address, family);
      else this.#addresses.addSubnet(address, bits, family);
    }
  }

  /** Whether a peer is on the list; IPv4 peers of a dual-stack socket count as IPv4. */
  has(peer: string): boolean {
    if (peer === UNIX_PEER) return this.#unix;
    const address = peer.replace(/^::ffff:/i, '');
    const family = isIP(address);
    return family !== 0 && this.#addresses.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}
