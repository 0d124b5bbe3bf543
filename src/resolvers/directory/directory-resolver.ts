import {
  Arg,
  Authorized,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { LdapConnection } from '../../entities/ldap-connection.js';
import { Permission } from '../../entities/permission.js';
import { BadInputError, ConflictError } from '../../errors.js';
import { testConnection } from '../../ldap/test-connection.js';
import { type LdapConnections, unknownConnection } from '../../services/directory/connections.js';
import type { DirectoryAccounts } from '../../services/directory/directory-accounts.js';
import type { DirectorySynchronisation } from '../../services/directory/synchronisation.js';
import type { RequestContext } from '../context.js';
import { attempt, UserError } from '../user-error.js';
import { ConnectionTestStatus } from './directory-enums.js';
import {
  CreateLdapConnectionInput,
  DeleteLdapConnectionInput,
  scheduleOf,
  settingsOf,
  SynchronizeDirectoryInput,
  TestLdapConnectionInput,
  UpdateLdapConnectionInput,
} from './ldap-connection-inputs.js';
import { DelegationIssueType, DirectoryAccountType, DirectoryClashType } from './directory-account-type.js';
import { LdapConnectionType } from './ldap-connection-type.js';

/** The outcome of creating or changing a connection. */
@ObjectType({ description: 'The outcome of creating or changing a connection.' })
export class LdapConnectionPayload {
  @Field(() => LdapConnectionType, {
    nullable: true,
    description: 'The connection as it is now, also after a CONFLICT; null after other refusals.',
  })
  connection!: LdapConnectionType | null;

  @Field(() => [UserError], { description: 'Why nothing was changed: BAD_USER_INPUT or CONFLICT.' })
  userErrors!: UserError[];
}

/** The outcome of deleting a connection. */
@ObjectType({ description: 'The outcome of deleting a connection.' })
export class DeleteLdapConnectionPayload {
  @Field(() => ID, { nullable: true, description: 'Id of the connection that was deleted; null when there was none.' })
  deletedConnectionId!: string | null;

  @Field(() => [UserError], { description: 'Why nothing was deleted.' })
  userErrors!: UserError[];
}

/** One step of a connection test. */
@ObjectType('ConnectionTestStep', { description: 'One step of a connection test.' })
export class ConnectionTestStepType {
  @Field({ description: 'SETTINGS, RESOLVE, CONNECT, TLS, BIND, BASE_DN, PEOPLE or DELEGATION_ATTRIBUTE.' })
  step!: string;

  @Field(() => ConnectionTestStatus, { description: 'How it went.' })
  status!: ConnectionTestStatus;

  @Field({ description: 'What was found.' })
  message!: string;

  @Field(() => String, { nullable: true, description: 'What to do about it; null when nothing is to be done.' })
  advice!: string | null;
}

/** The outcome of a connection test. */
@ObjectType({ description: 'The outcome of a connection test.' })
export class TestLdapConnectionPayload {
  @Field({ description: 'Whether every step went well.' })
  succeeded!: boolean;

  @Field(() => [ConnectionTestStepType], { description: 'The steps in their order.' })
  steps!: ConnectionTestStepType[];

  @Field(() => [UserError], { description: 'Why nothing could be tested.' })
  userErrors!: UserError[];
}

/** The outcome of starting a synchronisation. */
@ObjectType({ description: 'The outcome of starting a synchronisation; follow `directoryChanged` for its progress.' })
export class SynchronizeDirectoryPayload {
  @Field(() => LdapConnectionType, { nullable: true, description: 'The connection; null when there is none.' })
  connection!: LdapConnectionType | null;

  @Field({ description: 'False: one is running already.' })
  started!: boolean;

  @Field(() => [UserError], { description: 'Why nothing was started.' })
  userErrors!: UserError[];
}

const readId = (id: string): number => {
  if (!/^\d{1,15}$/.test(id)) throw unknownConnection();
  return Number(id);
};

// Most that autocomplete gives; more is not read by anybody.
const MAX_ACCOUNTS = 100;

/** Connections to directories, and what the LDAP cache knows. */
@Resolver(() => LdapConnectionType)
export class DirectoryResolver {
  constructor(
    private readonly connections: LdapConnections,
    private readonly synchronisation: DirectorySynchronisation,
    private readonly accounts: DirectoryAccounts,
  ) {}

  @Authorized(Permission.SETTINGS_VIEW)
  @Query(() => [LdapConnectionType], {
    nullable: true,
    description: 'All connections to directories, by name. Needs SETTINGS_VIEW.',
  })
  async ldapConnections(): Promise<LdapConnectionType[]> {
    return (await this.connections.list()).map((connection) => this.#shown(connection));
  }

  @Authorized(Permission.SETTINGS_VIEW)
  @Query(() => [DirectoryClashType], {
    nullable: true,
    description: 'Names and addresses that several accounts or groups have (rule V8). Needs SETTINGS_VIEW.',
  })
  directoryClashes(): Promise<DirectoryClashType[]> {
    return this.accounts.clashes() as Promise<DirectoryClashType[]>;
  }

  @Authorized('DIRECTORY_SEARCH')
  @Query(() => [DirectoryAccountType], {
    nullable: true,
    description:
      'People and groups one of whose names or addresses, or a word of them, begins with the text. Needs ACCOUNTS_VIEW or SETTINGS_VIEW.',
  })
  directoryAccounts(
    @Arg('search', () => String, { description: 'The beginning of a name, of a word in it, or of an address.' })
    search: string,
    @Arg('first', () => Int, { defaultValue: 20, description: 'How many, at most 100.' }) first: number,
  ): Promise<DirectoryAccountType[]> {
    if (first < 1 || first > MAX_ACCOUNTS) throw new BadInputError('first', `first must be 1 to ${MAX_ACCOUNTS}.`);
    return this.accounts.search(search, first);
  }

  @FieldResolver(() => [DelegationIssueType], {
    description: 'Names in its delegation attributes that give nobody access (rule L6).',
  })
  unresolvedDelegations(
    @Root() { connection }: LdapConnectionType,
    @Arg('first', () => Int, { defaultValue: 50, description: 'How many, at most 1000.' }) first: number,
  ): Promise<DelegationIssueType[]> {
    if (first < 1 || first > 1000) throw new BadInputError('first', 'first must be 1 to 1000.');
    return this.accounts.delegationIssues(connection.id, first);
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => LdapConnectionPayload, {
    description: 'Adds a connection; its first synchronisation begins at once (rule L2). Needs SETTINGS_EDIT.',
  })
  createLdapConnection(
    @Ctx() context: RequestContext,
    @Arg('input', () => CreateLdapConnectionInput, { description: 'The connection.' }) input: CreateLdapConnectionInput,
  ): Promise<LdapConnectionPayload> {
    return attempt(
      async () => {
        const schedule = input.schedule ? scheduleOf(input.schedule) : undefined;
        const connection = await this.connections.create(
          input.name,
          settingsOf(input.settings),
          context.author,
          schedule,
        );
        await this.synchronisation.begin(connection.id);
        return { connection: this.#shown(connection), userErrors: [] };
      },
      (userErrors): LdapConnectionPayload => ({ connection: null, userErrors }),
    );
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => LdapConnectionPayload, {
    description: 'Changes a connection; with new settings it is synchronised at once. Needs SETTINGS_EDIT.',
  })
  updateLdapConnection(
    @Ctx() context: RequestContext,
    @Arg('input', () => UpdateLdapConnectionInput, { description: 'The change.' }) input: UpdateLdapConnectionInput,
  ): Promise<LdapConnectionPayload> {
    return attempt(
      async () => {
        const change = {
          name: input.name ?? undefined,
          settings: input.settings ? settingsOf(input.settings) : undefined,
          schedule: input.schedule ? scheduleOf(input.schedule) : undefined,
        };
        const connection = await this.connections.update(readId(input.id), input.version, change, context.author);
        if (change.settings) await this.synchronisation.begin(connection.id);
        return { connection: this.#shown(connection), userErrors: [] };
      },
      async (userErrors, error): Promise<LdapConnectionPayload> => {
        const current = error instanceof ConflictError ? await this.connections.find(Number(input.id)) : null;
        return { connection: current && this.#shown(current), userErrors };
      },
    );
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => DeleteLdapConnectionPayload, {
    description: 'Deletes a connection with its part of the LDAP cache (rule L4). Needs SETTINGS_EDIT.',
  })
  deleteLdapConnection(
    @Ctx() context: RequestContext,
    @Arg('input', () => DeleteLdapConnectionInput, { description: 'Which one.' }) { id }: DeleteLdapConnectionInput,
  ): Promise<DeleteLdapConnectionPayload> {
    return attempt(
      async () => {
        await this.connections.delete(readId(id), context.author);
        return { deletedConnectionId: id, userErrors: [] };
      },
      (userErrors): DeleteLdapConnectionPayload => ({ deletedConnectionId: null, userErrors }),
    );
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => TestLdapConnectionPayload, {
    description:
      'Walks the steps from the host name to the delegation attribute and says which one failed and what to do. Needs SETTINGS_EDIT.',
  })
  testLdapConnection(
    @Arg('input', () => TestLdapConnectionInput, { description: 'What is to be tested.' })
    input: TestLdapConnectionInput,
  ): Promise<TestLdapConnectionPayload> {
    return attempt(
      async () => {
        const stored = input.id ? await this.connections.find(readId(input.id)) : null;
        if (input.id && !stored) throw unknownConnection();
        if (!stored && !input.settings)
          throw new BadInputError('settings', 'Give settings, or the id of a stored connection.');
        const tried = input.settings ? settingsOf(input.settings) : null;
        const settings =
          stored && tried
            ? this.connections.withStoredPassword(tried, stored)
            : (tried ?? (stored && this.connections.settingsOf(stored)));
        const steps: ConnectionTestStepType[] = [];
        if (settings)
          for await (const step of testConnection(settings))
            steps.push({ ...step, status: ConnectionTestStatus[step.status] });
        return {
          succeeded: !steps.some(({ status }) => status === ConnectionTestStatus.FAILED),
          steps,
          userErrors: [],
        };
      },
      (userErrors): TestLdapConnectionPayload => ({ succeeded: false, steps: [], userErrors }),
    );
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => SynchronizeDirectoryPayload, { description: 'Starts a synchronisation now. Needs SETTINGS_EDIT.' })
  synchronizeDirectory(
    @Ctx() context: RequestContext,
    @Arg('input', () => SynchronizeDirectoryInput, { description: 'Which connection and how.' })
    input: SynchronizeDirectoryInput,
  ): Promise<SynchronizeDirectoryPayload> {
    return attempt(
      async () => {
        const id = readId(input.id);
        if (!(await this.connections.find(id))) throw unknownConnection();
        const options = { full: input.full, acceptLoss: input.acceptLoss };
        const started = await this.synchronisation.begin(id, options, context.author);
        const connection = await this.connections.find(id);
        return { connection: connection && this.#shown(connection), started, userErrors: [] };
      },
      (userErrors): SynchronizeDirectoryPayload => ({ connection: null, started: false, userErrors }),
    );
  }

  #shown(connection: LdapConnection): LdapConnectionType {
    return new LdapConnectionType(
      connection,
      this.connections.scheduleOf(connection),
      this.connections.stateOf(connection),
    );
  }
}
