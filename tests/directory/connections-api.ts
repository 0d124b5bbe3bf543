import type { Client } from '../support/client.js';

/** Everything that the API shows of a connection. */
export const CONNECTION = `id name version domain servers { host port } tlsMode plainAllowed caPem baseDn bindName addressAttributes contacts
  delegationAttributes delegationLoaded preset overrides { personFilter loginAttribute } schedule { kind minutes time weekday day timeZone } warnings
  synchronization { status kind startedAt finishedAt durationMs succeededAt nextRunAt error { code message }
    counts { people groups contacts addresses delegations unresolved ambiguous } }
  unresolvedDelegations { mailboxName mailboxAddress attribute value problem }`;

/** A connection as the API shows it. */
export interface ShownConnection {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly domain: string;
  readonly delegationLoaded: boolean;
  readonly warnings: readonly string[];
  readonly schedule: Record<string, unknown>;
  readonly synchronization: {
    readonly status: string;
    readonly kind: string | null;
    readonly startedAt: string | null;
    readonly finishedAt: string | null;
    readonly succeededAt: string | null;
    readonly nextRunAt: string | null;
    readonly durationMs: number | null;
    readonly error: { readonly code: string; readonly message: string } | null;
    readonly counts: Record<string, number> | null;
  };
  readonly unresolvedDelegations: readonly { readonly value: string; readonly problem: string }[];
}

/** Why a mutation was refused. */
export interface ShownError {
  readonly code: string;
  readonly field: string | null;
  readonly message: string;
}

/** The answer of a mutation that gives a connection. */
export interface ConnectionPayload {
  readonly connection: ShownConnection | null;
  readonly started?: boolean;
  readonly userErrors: readonly ShownError[];
}

const payload = `connection { ${CONNECTION} } userErrors { code field message }`;

/** The directory's part of the API. */
export class ConnectionsApi {
  constructor(readonly client: Client) {}

  async list(): Promise<ShownConnection[]> {
    return (await this.client.ask<{ ldapConnections: ShownConnection[] }>(`{ ldapConnections { ${CONNECTION} } }`))
      .ldapConnections;
  }

  async named(name: string): Promise<ShownConnection> {
    const found = (await this.list()).find((connection) => connection.name === name);
    if (!found) throw new Error(`There is no connection ${name}.`);
    return found;
  }

  async create(input: Record<string, unknown>): Promise<ConnectionPayload> {
    return this.#mutate('createLdapConnection', 'CreateLdapConnectionInput', payload, input);
  }

  async update(input: Record<string, unknown>): Promise<ConnectionPayload> {
    return this.#mutate('updateLdapConnection', 'UpdateLdapConnectionInput', payload, input);
  }

  async delete(id: string): Promise<{ deletedConnectionId: string | null; userErrors: readonly ShownError[] }> {
    return this.#mutate(
      'deleteLdapConnection',
      'DeleteLdapConnectionInput',
      'deletedConnectionId userErrors { code field message }',
      { id },
    );
  }

  async synchronize(input: Record<string, unknown>): Promise<ConnectionPayload> {
    return this.#mutate('synchronizeDirectory', 'SynchronizeDirectoryInput', `started ${payload}`, input);
  }

  async test(input: Record<string, unknown>): Promise<{
    succeeded: boolean;
    steps: readonly { step: string; status: string; message: string; advice: string | null }[];
    userErrors: readonly ShownError[];
  }> {
    return this.#mutate(
      'testLdapConnection',
      'TestLdapConnectionInput',
      'succeeded steps { step status message advice } userErrors { code field message }',
      input,
    );
  }

  async #mutate<Payload>(name: string, type: string, selection: string, input: unknown): Promise<Payload> {
    const answer = await this.client.ask<Record<string, Payload>>(
      `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} } }`,
      { input },
    );
    return answer[name] as Payload;
  }
}
