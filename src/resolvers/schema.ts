import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema, type ClassType, type NonEmptyArray } from 'type-graphql';
import { DateTimeScalar } from '../entities/scalars.js';
import { AuditResolver } from './audit/audit-resolver.js';
import { authChecker } from './auth-checker.js';
import type { RequestContext } from './context.js';
import { DirectoryResolver } from './directory/directory-resolver.js';
import { registerEnums } from './enums.js';
import { LiveResolver } from './live/live-resolver.js';
import { BackupUseResolver } from './messages/backup-use-resolver.js';
import { GlobalBackupMessage } from './messages/global-backup-message.js';
import { GlobalBackupMessageResolver, GlobalBackupResolver } from './messages/global-backup-resolver.js';
import { PersonalBackupMessage } from './messages/personal-backup-message.js';
import {
  MailboxBackupResolver,
  PersonalBackupMessageResolver,
  PersonalBackupResolver,
  ViewerBackupResolver,
} from './messages/personal-backup-resolver.js';
import { OperationResolver } from './operations/operation-resolver.js';
import { SendingResolver } from './operations/sending-resolver.js';
import { AccountResolver } from './people/account-resolver.js';
import { ApiTokenResolver } from './people/api-token-resolver.js';
import { SessionResolver } from './people/session-resolver.js';
import { BackupSettingsResolver } from './settings/backup-settings-resolver.js';
import { PersonalBackupSettingsResolver } from './settings/personal-backup-settings-resolver.js';

/** Every resolver of the API. */
export const resolverClasses = [
  SessionResolver,
  AccountResolver,
  ApiTokenResolver,
  ViewerBackupResolver,
  PersonalBackupResolver,
  MailboxBackupResolver,
  PersonalBackupMessageResolver,
  GlobalBackupResolver,
  BackupUseResolver,
  GlobalBackupMessageResolver,
  PersonalBackupSettingsResolver,
  BackupSettingsResolver,
  DirectoryResolver,
  OperationResolver,
  SendingResolver,
  AuditResolver,
  LiveResolver,
] as const satisfies NonEmptyArray<ClassType | (abstract new (...parameters: never[]) => unknown)>;

registerEnums();

// The library asks for one although every subscription here has a stream of its own, fed by the change feed.
const noPubSub = (): never => {
  throw new Error('Subscriptions follow the change feed.');
};

/** Builds the schema; resolver instances come from `instances`, or the schema is only for reading when there are none. */
export async function createSchema(instances: readonly object[] = []): Promise<GraphQLSchema> {
  const byClass = new Map(instances.map((instance) => [instance.constructor, instance]));
  return buildSchema({
    resolvers: resolverClasses as unknown as NonEmptyArray<ClassType>,
    orphanedTypes: [PersonalBackupMessage as unknown as ClassType, GlobalBackupMessage as unknown as ClassType],
    pubSub: { publish: noPubSub, subscribe: noPubSub },
    authChecker,
    // A refusal that is an error is thrown by the checker itself; false means "null, and a field beside it tells why".
    authMode: 'null',
    container: {
      get: (resolver: ClassType) => {
        const instance = byClass.get(resolver);
        if (!instance) throw new Error(`${resolver.name} was not given to createSchema.`);
        return instance as object;
      },
    },
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
    // Values are checked by the services, which know their limits and name the field; so is what the CLI gives them.
    validate: false,
  });
}

/** The schema as SDL, as schema.graphql holds it. */
export function schemaText(schema: GraphQLSchema): string {
  return `# Printed by "npm run schema"; do not edit.\n\n${printSchema(lexicographicSortSchema(schema))}\n`;
}

export type { RequestContext };
