import { createRequire } from 'node:module';

// The first line of Node for which the newer line of the library is made; it crashes on older ones.
const NEWER_FROM = 22;

/**
 * The SQLite library for TypeORM's `driver`, by the version of Node. better-sqlite3 12 is the last line for Node 20, and ends
 * the process on Node 24.19 and later whenever statements are collected as garbage (WiseLibs/better-sqlite3#1515); its line
 * 13 is built on Node-API and needs Node 22.
 */
export function sqliteDriver(): unknown {
  const major = Number(process.versions.node.split('.')[0]);
  const name = major >= NEWER_FROM ? 'better-sqlite3-node22' : 'better-sqlite3';
  return createRequire(__filename)(name);
}
