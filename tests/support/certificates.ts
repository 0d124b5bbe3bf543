import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A private key and its certificate, PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** Certificates for servers of tests: one that is right, and the ways in which one can be wrong. */
export interface TestCertificates {
  readonly ca: string;
  /** For 127.0.0.1 and directory.test. */
  readonly good: KeyPair;
  /** For the name localhost only, which must not do for 127.0.0.1. */
  readonly wrongName: KeyPair;
  readonly expired: KeyPair;
  /** Another authority that signed nothing. */
  readonly otherCa: string;
}

/** Makes fresh certificates with openssl. */
export async function makeCertificates(): Promise<TestCertificates> {
  const folder = await mkdtemp(join(tmpdir(), 'mailkeep-certificates-'));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
  const read = (name: string) => readFile(at(name), 'utf8');

  const authority = async (name: string): Promise<string> => {
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
    return read(`${name}.pem`);
  };
  const server = async (name: string, altNames: string, ...validity: string[]): Promise<KeyPair> => {
    await openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    await writeFile(at(`${name}.ext`), `subjectAltName=${altNames}\n`);
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-extfile',
      `${name}.ext`,
      ...validity,
      '-out',
      `${name}.pem`,
    );
    return { key: await read(`${name}.key`), cert: await read(`${name}.pem`) };
  };
  const expiredServer = async (): Promise<KeyPair> => {
    // openssl x509 cannot go back in time, but a validity of -1 days ends yesterday.
    return server('expired', 'IP:127.0.0.1', '-days', '-1');
  };

  try {
    const ca = await authority('ca');
    const otherCa = await authority('other');
    const good = await server('good', 'IP:127.0.0.1,DNS:directory.test', '-days', '2');
    const wrongName = await server('wrong', 'DNS:localhost', '-days', '2');
    return { ca, otherCa, good, wrongName, expired: await expiredServer() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
