import type { MigrationInterface } from 'typeorm';
import { Changes1764000000001 } from './1764000000001-changes.js';
import { Backup1764000000002 } from './1764000000002-backup.js';
import { People1764000000003 } from './1764000000003-people.js';
import { Settings1764000000004 } from './1764000000004-settings.js';
import { Directory1764000000005 } from './1764000000005-directory.js';
import { Sending1764000000006 } from './1764000000006-sending.js';
import { Statistics1764000000007 } from './1764000000007-statistics.js';
import { PrimaryGroup1764000000008 } from './1764000000008-primary-group.js';
import { LoopMark1764000000009 } from './1764000000009-loop-mark.js';
import { DirectoryOrder1764000000010 } from './1764000000010-directory-order.js';

/** All migrations, oldest first. */
export const migrations: (new () => MigrationInterface)[] = [
  Changes1764000000001,
  Backup1764000000002,
  People1764000000003,
  Settings1764000000004,
  Directory1764000000005,
  Sending1764000000006,
  Statistics1764000000007,
  PrimaryGroup1764000000008,
  LoopMark1764000000009,
  DirectoryOrder1764000000010,
];
