import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

// RFC 7914; 2^17 takes about 0.3 s and 128 MiB, which makes guessing from a stolen table expensive.
const COST_LOG2 = 17;
const BLOCK_SIZE = 8;
const PARALLELISM = 1;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

// One at a time: each needs 128 MiB, and many sign-ins at once must not exhaust the memory.
let turn: Promise<unknown> = Promise.resolve();

function derive(
  password: string,
  salt: Buffer,
  costLog2: number,
  blockSize: number,
  parallelism: number,
): Promise<Buffer> {
  const work = () =>
    new Promise<Buffer>((resolve, reject) => {
      const options = { N: 2 ** costLog2, r: blockSize, p: parallelism, maxmem: 256 * 2 ** costLog2 * blockSize };
      scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
        error ? reject(error) : resolve(key),
      );
    });
  const result = turn.then(work, work);
  turn = result.catch(() => undefined);
  return result;
}

/** Hashes a password with scrypt (RFC 7914) and a fresh salt; the result carries its parameters. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, COST_LOG2, BLOCK_SIZE, PARALLELISM);
  return ['scrypt', COST_LOG2, BLOCK_SIZE, PARALLELISM, salt.toString('base64'), key.toString('base64')].join('$');
}

/** Whether the password belongs to the hash; takes as long for an unreadable hash as for a wrong password. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const [name, cost, block, parallelism, salt, key] = hash.split('$');
  const readable = name === 'scrypt' && cost && block && parallelism && salt && key;
  const expected = readable ? Buffer.from(key, 'base64') : Buffer.alloc(KEY_BYTES);
  const actual = readable
    ? await derive(password, Buffer.from(salt, 'base64'), Number(cost), Number(block), Number(parallelism))
    : await derive(password, Buffer.alloc(SALT_BYTES), COST_LOG2, BLOCK_SIZE, PARALLELISM);
  return actual.length === expected.length && timingSafeEqual(actual, expected) && Boolean(readable);
}
