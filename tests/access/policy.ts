import { Permission } from '../../src/entities/permission.js';

/** What a field demands of the viewer, in the words of rule V2; PUBLIC needs nothing, SESSION any live session, a list any one of it. */
export type FieldDemand = 'PUBLIC' | 'SESSION' | Permission | readonly Permission[];

/** An operation of the API, or a field below one, that the matrix tries for every kind of viewer. */
export interface PolicyRow {
  readonly demand: FieldDemand;
  /** Reaches the field; changes nothing even where it is allowed. */
  readonly document: string;
  /** Where the value stands in the answer. */
  readonly path: readonly (string | number)[];
  /** What the document gives those who are allowed, unless it is data: it asks for something that does not exist. */
  readonly allowed?: 'DATA' | 'NULL';
  /** The value of a public field that is there without a session, too. */
  readonly withoutSession?: 'DATA' | 'NULL';
}

const P = Permission;

const FIRST_MESSAGE = ['backup', 'messages', 'nodes', 0] as const;
const LDAP_SETTINGS = '{ domain: "", tlsMode: LDAPS, baseDn: "", bindName: "", bindPassword: "" }';

/** Every operation, and every field with a demand of its own. Whoever adds one adds its row, or the guard fails. */
export const POLICY: Readonly<Record<string, PolicyRow>> = {
  'Query.viewer': { demand: 'PUBLIC', document: '{ viewer { login } }', path: ['viewer'], withoutSession: 'NULL' },
  'Query.backup': { demand: P.BACKUP_VIEW, document: '{ backup { changeCursor } }', path: ['backup'] },
  'Query.apiTokens': { demand: P.ACCOUNTS_VIEW, document: '{ apiTokens { name } }', path: ['apiTokens'] },
  'Query.backupSettings': {
    demand: P.SETTINGS_VIEW,
    document: '{ backupSettings { version } }',
    path: ['backupSettings'],
  },
  'Query.personalBackupSettings': {
    demand: P.SETTINGS_VIEW,
    document: '{ personalBackupSettings { version } }',
    path: ['personalBackupSettings'],
  },
  'Query.accounts': { demand: P.ACCOUNTS_VIEW, document: '{ accounts { nodes { login } } }', path: ['accounts'] },
  'Query.roles': { demand: P.ACCOUNTS_VIEW, document: '{ roles { name } }', path: ['roles'] },
  'Query.ldapConnections': {
    demand: P.SETTINGS_VIEW,
    document: '{ ldapConnections { name } }',
    path: ['ldapConnections'],
  },
  'Query.directoryClashes': {
    demand: P.SETTINGS_VIEW,
    document: '{ directoryClashes { value } }',
    path: ['directoryClashes'],
  },
  'Query.directoryAccounts': {
    demand: [P.SETTINGS_VIEW, P.ACCOUNTS_VIEW],
    document: '{ directoryAccounts(search: "anna") { name } }',
    path: ['directoryAccounts'],
  },
  'Query.auditLog': { demand: P.AUDIT_VIEW, document: '{ auditLog { nodes { event } } }', path: ['auditLog'] },
  'Query.operation': {
    demand: 'SESSION',
    document: '{ operation(id: "0") { id } }',
    path: ['operation'],
    allowed: 'NULL',
  },
  'Mutation.signIn': {
    demand: 'PUBLIC',
    document: 'mutation { signIn(input: { login: "x", password: "" }) { userErrors { code } } }',
    path: ['signIn'],
    withoutSession: 'DATA',
  },
  'Mutation.signOut': {
    demand: 'PUBLIC',
    // Would end the session of the viewers that the other rows need.
    document: 'mutation { signOut @skip(if: true) { signedOut } __typename }',
    path: ['__typename'],
    withoutSession: 'DATA',
  },
  'Mutation.updateBackupSettings': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { updateBackupSettings(input: { version: -1 }) { userErrors { code } } }',
    path: ['updateBackupSettings'],
  },
  'Mutation.updatePersonalBackupSettings': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { updatePersonalBackupSettings(input: { version: -1 }) { userErrors { code } } }',
    path: ['updatePersonalBackupSettings'],
  },
  'Mutation.createApiToken': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { createApiToken(input: { name: "", scopes: [INTAKE] }) { userErrors { code } } }',
    path: ['createApiToken'],
  },
  'Mutation.revokeApiToken': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { revokeApiToken(input: { id: "0" }) { userErrors { code } } }',
    path: ['revokeApiToken'],
  },
  'Mutation.createAccount': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { createAccount(input: { login: "", name: "", password: "" }) { userErrors { code } } }',
    path: ['createAccount'],
  },
  'Mutation.updateAccount': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { updateAccount(input: { id: "0" }) { userErrors { code } } }',
    path: ['updateAccount'],
  },
  'Mutation.deleteAccount': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { deleteAccount(input: { id: "0" }) { userErrors { code } } }',
    path: ['deleteAccount'],
  },
  'Mutation.assignRole': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { assignRole(input: { directoryAccountId: "0", roleId: "0" }) { userErrors { code } } }',
    path: ['assignRole'],
  },
  'Mutation.withdrawRole': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { withdrawRole(input: { directoryAccountId: "0", roleId: "0" }) { userErrors { code } } }',
    path: ['withdrawRole'],
  },
  'Mutation.createRole': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { createRole(input: { name: "", permissions: [] }) { userErrors { code } } }',
    path: ['createRole'],
  },
  'Mutation.updateRole': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { updateRole(input: { id: "0" }) { userErrors { code } } }',
    path: ['updateRole'],
  },
  'Mutation.deleteRole': {
    demand: P.ACCOUNTS_EDIT,
    document: 'mutation { deleteRole(input: { id: "0" }) { userErrors { code } } }',
    path: ['deleteRole'],
  },
  'Mutation.changePassword': {
    demand: 'SESSION',
    document: 'mutation { changePassword(input: { currentPassword: "", newPassword: "" }) { userErrors { code } } }',
    path: ['changePassword'],
  },
  'Mutation.createLdapConnection': {
    demand: P.SETTINGS_EDIT,
    document: `mutation { createLdapConnection(input: { name: "", settings: ${LDAP_SETTINGS} }) { userErrors { code } } }`,
    path: ['createLdapConnection'],
  },
  'Mutation.updateLdapConnection': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { updateLdapConnection(input: { id: "0", version: 0 }) { userErrors { code } } }',
    path: ['updateLdapConnection'],
  },
  'Mutation.deleteLdapConnection': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { deleteLdapConnection(input: { id: "0" }) { userErrors { code } } }',
    path: ['deleteLdapConnection'],
  },
  'Mutation.testLdapConnection': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { testLdapConnection(input: { id: "0" }) { userErrors { code } } }',
    path: ['testLdapConnection'],
  },
  'Mutation.synchronizeDirectory': {
    demand: P.SETTINGS_EDIT,
    document: 'mutation { synchronizeDirectory(input: { id: "0" }) { userErrors { code } } }',
    path: ['synchronizeDirectory'],
  },
  'Mutation.sendPersonalMessages': {
    demand: 'SESSION',
    document: 'mutation { sendPersonalMessages(input: { ids: [], idempotencyKey: "" }) { userErrors { code } } }',
    path: ['sendPersonalMessages'],
  },
  'Mutation.deletePersonalMessages': {
    demand: 'SESSION',
    document: 'mutation { deletePersonalMessages(input: { ids: [] }) { userErrors { code } } }',
    path: ['deletePersonalMessages'],
  },
  'Mutation.restorePersonalMessages': {
    demand: 'SESSION',
    document: 'mutation { restorePersonalMessages(input: { ids: [] }) { userErrors { code } } }',
    path: ['restorePersonalMessages'],
  },
  'Mutation.sendBackupMessages': {
    demand: [P.BACKUP_SEND_TO_RECIPIENTS, P.BACKUP_SEND_TO_ANYONE],
    document: 'mutation { sendBackupMessages(input: { ids: [], idempotencyKey: "" }) { userErrors { code } } }',
    path: ['sendBackupMessages'],
  },
  'Mutation.deleteBackupMessages': {
    demand: P.BACKUP_DELETE,
    document: 'mutation { deleteBackupMessages(input: { ids: [] }) { userErrors { code } } }',
    path: ['deleteBackupMessages'],
  },
  'Mutation.cancelOperation': {
    demand: 'SESSION',
    document: 'mutation { cancelOperation(input: { id: "0" }) { userErrors { code } } }',
    path: ['cancelOperation'],
  },
  'Subscription.operationChanged': {
    demand: 'SESSION',
    document: 'subscription { operationChanged(id: "0") { id } }',
    path: ['operationChanged'],
    allowed: 'NULL',
  },
  'Subscription.personalBackupChanged': {
    demand: 'SESSION',
    document: 'subscription { personalBackupChanged { kind } }',
    path: ['personalBackupChanged'],
  },
  'Subscription.backupChanged': {
    demand: P.BACKUP_VIEW,
    document: 'subscription { backupChanged { kind } }',
    path: ['backupChanged'],
  },
  'Subscription.personalBackupSettingsChanged': {
    demand: P.SETTINGS_VIEW,
    document: 'subscription { personalBackupSettingsChanged { version } }',
    path: ['personalBackupSettingsChanged'],
  },
  'Subscription.directoryChanged': {
    demand: P.SETTINGS_VIEW,
    document: 'subscription { directoryChanged { name } }',
    path: ['directoryChanged'],
  },
  'GlobalBackupMessage.preview': {
    demand: P.BACKUP_READ,
    document: '{ backup { messages(first: 1) { nodes { preview(mode: TEXT) { mode } } } } }',
    path: [...FIRST_MESSAGE, 'preview'],
  },
  'GlobalBackupMessage.previewUrl': {
    demand: P.BACKUP_READ,
    document: '{ backup { messages(first: 1) { nodes { previewUrl(mode: TEXT) } } } }',
    path: [...FIRST_MESSAGE, 'previewUrl'],
  },
  'GlobalBackupMessage.headers': {
    demand: P.BACKUP_READ,
    document: '{ backup { messages(first: 1) { nodes { headers { name } } } } }',
    path: [...FIRST_MESSAGE, 'headers'],
  },
  'GlobalBackupMessage.sourceUrl': {
    demand: P.BACKUP_DOWNLOAD,
    document: '{ backup { messages(first: 1) { nodes { sourceUrl } } } }',
    path: [...FIRST_MESSAGE, 'sourceUrl'],
  },
  'GlobalBackupMessage.downloadableAttachments': {
    demand: P.BACKUP_DOWNLOAD,
    document: '{ backup { messages(first: 1) { nodes { downloadableAttachments { name } } } } }',
    path: [...FIRST_MESSAGE, 'downloadableAttachments'],
  },
};

/** Fields whose demand is no permission but rule V9; personal-matrix.test.ts tries them. */
export const GROUP_MAILBOX_FIELDS = ['PersonalBackup.groupMailboxes'];

/** Fields without a demand of their own: whoever was let to the object may read them. A new field of these types has to be added here or above. */
export const FREE_FIELDS: Readonly<Record<string, string>> = {
  Viewer: 'name login addresses permissions personalBackup sessionExpiresAt',
  // Reached through Viewer.personalBackup: what the person's own access was decided to be.
  PersonalBackup: 'availability can changeCursor own groupMailboxAccess mailbox message',
  PersonalBackupCapabilities: 'preview delete send deliveryFormat',
  MailboxBackup: 'address name kind messages messageCount',
  PersonalBackupMessageConnection: 'edges nodes pageInfo',
  PersonalBackupMessageEdge: 'cursor node',
  PersonalBackupMessage:
    'id receivedAt sender senderIp subject size gatewayMessageId smtpMessageId detectedBy action scanResults attachments sentFromBackup sendings mailbox to cc viewerCan preview previewUrl',
  MessageCapabilities: 'previewText previewHtml send delete',
  Capability: 'allowed reason',
  PersonalBackupChange: 'cursor kind mailbox messageId message',
  // Reached through Query.backup and Subscription.backupChanged (BACKUP_VIEW).
  GlobalBackup: 'changeCursor messages message storage statistics',
  BackupStorage: 'usedBytes limitBytes oldestMessageAt messageCount nearlyFull spool',
  IntakeSpool: 'waiting waitingBytes oldestAt setAside',
  BackupStatistics: 'messages size byModule byAction buckets',
  BackupStatisticsBucket: 'startsAt action detectedBy messages size',
  ModuleStatistics: 'module messages size',
  ActionStatistics: 'action messages size',
  GlobalBackupMessageConnection: 'edges nodes pageInfo',
  GlobalBackupMessageEdge: 'cursor node',
  GlobalBackupMessage:
    'id receivedAt sender senderIp subject size gatewayMessageId smtpMessageId detectedBy action scanResults attachments sentFromBackup sendings node rules recipients loopSentAt',
  RuleResult: 'name to cc bcc action scanResults reason',
  RecipientState: 'address kind action hidden sent',
  GlobalBackupChange: 'cursor kind messageId message',
  // Parts of messages, for both.
  BackupMessage:
    'id receivedAt sender senderIp subject size gatewayMessageId smtpMessageId detectedBy action scanResults attachments sentFromBackup sendings',
  ScanResult: 'module status scannerVerdict threatNames authentication',
  SenderAuthenticationResult: 'spf dkim dmarc',
  Attachment: 'name type detectedType size',
  MessagePreview: 'mode content blockedRemoteResources truncated reason',
  PageInfo: 'hasNextPage hasPreviousPage startCursor endCursor',
  // Reached through operations of the matrix.
  PersonalBackupSettings: 'version enabled preview deletion sending deliveryFormat removeMessageId groupMailboxes',
  BackupSettings: 'version sizeLimitBytes storagePeriodDays deliveryFormat removeMessageId',
  ApiToken: 'id name scopes createdAt lastUsedAt expiresAt',
  SendingConnection: 'edges nodes pageInfo',
  SendingEdge: 'cursor node',
  Sending:
    'requestedAt by byName to deliveryFormat messageIdRemoved state attempts lastAttemptAt nextAttemptAt smtpAnswer',
  // Reached through operations that are the viewer's own, or with BACKUP_VIEW.
  BackupOperation: 'id kind state total done failed cancelled createdAt startedAt finishedAt results',
  BackupOperationPayload: 'operation userErrors',
  OperationResultConnection: 'edges nodes pageInfo',
  OperationResultEdge: 'cursor node',
  OperationResult: 'messageId outcome reason smtpAnswer',
  AuditEntryConnection: 'edges nodes pageInfo',
  AuditEntryEdge: 'cursor node',
  AuditEntry: 'id at actor remoteAddress event outcome subject details',
  MessageHeader: 'name value',
  DownloadableAttachment: 'partId name type detectedType size messagePartId url',
  Account: 'id kind login name disabled roles',
  AccountConnection: 'edges nodes pageInfo',
  AccountEdge: 'cursor node',
  Role: 'id name permissions predefined',
  DirectoryAccount: 'id kind name accountName userPrincipalName primaryAddress domain disabled',
  DirectoryClash: 'value accounts',
  LdapConnection:
    'id name version domain servers tlsMode plainAllowed caPem baseDn bindName addressAttributes contacts delegationAttributes delegationLoaded preset overrides schedule synchronization unresolvedDelegations warnings',
  LdapServer: 'host port',
  LdapOverridesType:
    'personFilter groupFilter contactFilter idAttribute loginAttribute displayNameAttribute mailAttribute memberAttribute',
  Schedule: 'kind minutes time weekday day timeZone',
  Synchronization: 'status kind startedAt finishedAt succeededAt durationMs nextRunAt counts error',
  SynchronizationCounts: 'people groups contacts addresses delegations unresolved ambiguous',
  SynchronizationError: 'code message',
  DelegationIssue: 'mailboxName mailboxAddress attribute value problem',
  ConnectionTestStep: 'step status message advice',
  AccountPayload: 'account userErrors',
  DeleteAccountPayload: 'deletedAccountId userErrors',
  AssignRolePayload: 'account userErrors',
  WithdrawRolePayload: 'withdrawn userErrors',
  RolePayload: 'role userErrors',
  DeleteRolePayload: 'deletedRoleId userErrors',
  ChangePasswordPayload: 'changed userErrors',
  LdapConnectionPayload: 'connection userErrors',
  DeleteLdapConnectionPayload: 'deletedConnectionId userErrors',
  TestLdapConnectionPayload: 'steps succeeded userErrors',
  SynchronizeDirectoryPayload: 'started connection userErrors',
  SignInPayload: 'viewer token sessionExpiresAt userErrors',
  SignOutPayload: 'signedOut userErrors',
  UserError: 'code message field',
  UpdatePersonalBackupSettingsPayload: 'settings warnings userErrors',
  UpdateBackupSettingsPayload: 'settings userErrors',
  CreateApiTokenPayload: 'apiToken secret userErrors',
  RevokeApiTokenPayload: 'revokedApiTokenId userErrors',
};

/** The kinds of viewers, and the permissions that each holds by the rules; written out, not taken from the code. */
export const VIEWERS = {
  'nobody signed in': null,
  'an ended session': null,
  'an API token': null,
  'a person who was disabled since': null,
  'a local account that was disabled since': null,
  'clara, nothing delegated': [],
  'anna, two mailboxes delegated': [],
  'boris, by a nested group': [],
  'dmitri, of the other domain': [],
  'frida, ambiguous': [],
  'a local account without a role': [],
  'zoe, a person with the role Viewer': [P.BACKUP_VIEW, P.SETTINGS_VIEW, P.ACCOUNTS_VIEW],
  'a local Viewer': [P.BACKUP_VIEW, P.SETTINGS_VIEW, P.ACCOUNTS_VIEW],
  'a local Helpdesk': [P.BACKUP_VIEW, P.BACKUP_READ, P.BACKUP_SEND_TO_RECIPIENTS],
  'the administrator': Object.values(P),
} satisfies Record<string, Permission[] | null>;

/** One of them. */
export type ViewerKind = keyof typeof VIEWERS;
