import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const BLOCK_SIZE = 8;
const PARALLELISM = 1;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** Hashes local passwords with scrypt (RFC 7914); one for a process. */
export class PasswordHasher {
  // One at a time: at 2^17 each needs 128 MiB, and many sign-ins at once must not exhaust the memory.
  #turn: Promise<unknown> = Promise.resolve();

  /** @param costLog2 binary logarithm of scrypt's N; 17 takes about 0.3 s, which makes guessing from a stolen table expensive. */
  constructor(private readonly costLog2: number) {}

  /** Hashes a password with a fresh salt; the result carries its parameters. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#derive(password, salt, this.costLog2, BLOCK_SIZE, PARALLELISM);
    return ['scrypt', this.costLog2, BLOCK_SIZE, PARALLELISM, salt.toString('base64'), key.toString('base64')].join(
      '$',
    );
  }

  /** Whether the password belongs to the hash; takes as long for an unreadable hash as for a wrong password. */
  async verify(password: string, hash: string): Promise<boolean> {
    const [name, cost, block, parallelism, salt, key] = hash.split('$');
    const readable = name === 'scrypt' && cost && block && parallelism && salt && key;
    const expected = readable ? Buffer.from(key, 'base64') : Buffer.alloc(KEY_BYTES);
    const actual = readable
      ? await this.#derive(password, Buffer.from(salt, 'base64'), Number(cost), Number(block), Number(parallelism))
      : await this.#derive(password, Buffer.alloc(SALT_BYTES), this.costLog2, BLOCK_SIZE, PARALLELISM);
    return actual.length === expected.length && timingSafeEqual(actual, expected) && Boolean(readable);
  }

  #derive(password: string, salt: Buffer, costLog2: number, blockSize: number, parallelism: number): Promise<Buffer> {
    const work = () =>
      new Promise<Buffer>((resolve, reject) => {
        const options = { N: 2 ** costLog2, r: blockSize, p: parallelism, maxmem: 256 * 2 ** costLog2 * blockSize };
        scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
          error ? reject(error) : resolve(key),
        );
      });
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
