import { registerEnumType } from 'type-graphql';
import { ApiTokenScope } from '../entities/api-token.js';
import { DeliveryFormat } from '../entities/delivery-format.js';
import { Permission, PERMISSION_DESCRIPTIONS } from '../entities/permission.js';
import { RoleSubjectKind } from '../entities/role-assignment.js';
import { GatewayAction, Module, RecipientKind, ScanStatus } from '../entities/vocabulary.js';
import { CapabilityReason } from '../services/access/message-capabilities.js';
import { GroupMailboxAccess, MailboxKind, PersonalBackupAvailability } from '../services/access/personal-access.js';
import { AuditEvent, AuditOutcome } from '../services/audit/audit-log.js';
import { BackupOrderField, OrderDirection } from '../services/backup/message-order.js';
import {
  OperationKind,
  OperationOutcome,
  OperationReason,
  OperationState,
  SendingState,
} from '../services/sending/operation.js';
import { SendDestination } from '../services/sending/personal-operations.js';
import { SettingsWarning } from '../services/settings/personal-backup-settings-service.js';
import { SynchronisationKind, SynchronisationStatus } from '../services/directory/synchronisation-state.js';
import { StatisticsInterval } from './messages/backup-use-types.js';
import { SendingAuthor } from './operations/sending-types.js';
import {
  AddressAttributes,
  ConnectionTestStatus,
  DirectoryPreset,
  ScheduleKind,
  TlsMode,
} from './directory/directory-enums.js';

/** How a message's content is shown. */
export enum PreviewMode {
  TEXT = 'TEXT',
  HTML = 'HTML',
}

/** What happened to what a subscription follows. */
export enum ChangeKind {
  STORED = 'STORED',
  UPDATED = 'UPDATED',
  REMOVED = 'REMOVED',
  ACCESS = 'ACCESS',
  RESET = 'RESET',
}

function describe<Value extends string>(
  type: Record<string, Value>,
  name: string,
  description: string,
  values: Readonly<Record<Value, string>>,
): void {
  const valuesConfig = Object.fromEntries(
    Object.entries<string>(values).map(([value, text]) => [value, { description: text }]),
  );
  registerEnumType(type, { name, description, valuesConfig });
}

/** Gives every closed set its name and the meaning of its values; called once before the schema is built. */
export function registerEnums(): void {
  describe(Permission, 'Permission', 'What a role lets its holder do (rule V2).', PERMISSION_DESCRIPTIONS);
  describe(ApiTokenScope, 'ApiTokenScope', 'What an API token may be used for.', {
    INTAKE: 'Handing messages over to Backup.',
  });
  describe(StatisticsInterval, 'StatisticsInterval', 'Width of the intervals of statistics.', {
    HOUR: 'Full hours.',
    DAY: 'Full days in UTC.',
  });
  describe(Module, 'Module', 'What scanned a message.', {
    ANTI_VIRUS: 'Looks for malware.',
    ANTI_SPAM: 'Judges unwanted mail.',
    ANTI_PHISHING: 'Looks for attempts to steal credentials.',
    LINK_SCANNING: 'Judges the addresses that links lead to.',
    CONTENT_FILTERING: 'Applies the rules for names, types and sizes of attachments.',
    SENDER_AUTHENTICATION: 'Checks SPF, DKIM and DMARC (RFC 7208, 6376, 7489).',
    PERSONAL_DENYLIST: 'Applies the list of senders that the recipient blocked.',
    SANDBOX: 'Opens attachments in isolation and watches them.',
  });
  describe(GatewayAction, 'GatewayAction', 'What the gateway did for a recipient, mildest first (rule S4).', {
    SKIP: 'Delivered it unchanged, or marked; never in personal Backup (rule V4).',
    DISINFECT: 'Delivered it after cleaning it.',
    DELETE_ATTACHMENT: 'Delivered it without an attachment.',
    REJECT: 'Refused it while the sender was connected; never in personal Backup (rule V4).',
    DELETE_MESSAGE: 'Did not deliver it.',
  });
  describe(ScanStatus, 'ScanStatus', 'What a module found; which values a module can have depends on the module.', {
    NOT_DETECTED: 'Found nothing.',
    DETECTED: 'Found what it looks for.',
    NOT_SCANNED: 'Did not scan the message.',
    BASES_ERROR: 'Could not scan for want of usable databases.',
    SCAN_ERROR: 'Failed while scanning.',
    MACROS: 'Anti-Virus: found a document with macros.',
    ENCRYPTED: 'Anti-Virus: met content that it could not decrypt.',
    DISINFECTED:
      'Anti-Virus: found malware and removed it from what was delivered; the stored original still holds it.',
    TRUSTED: 'Anti-Spam: the sender is trusted.',
    FORMAL: 'Anti-Spam: an automatic notice, such as a delivery report.',
    MASS_MAIL: 'Anti-Spam: a mailing that is not spam.',
    PROBABLE_SPAM: 'Anti-Spam: probably spam.',
    SPAM: 'Anti-Spam: spam.',
    DENYLISTED: 'Anti-Spam: the sender is on a list of blocked ones.',
    NO_VIOLATION: 'Sender authentication: in order.',
    VIOLATION: 'Sender authentication: failed.',
  });
  describe(RecipientKind, 'RecipientKind', 'Where an envelope recipient stands in the header fields (rule S3).', {
    TO: 'In the To field.',
    CC: 'In the Cc field and not in To.',
    BCC: 'In neither.',
  });
  describe(DeliveryFormat, 'DeliveryFormat', 'How a stored message is sent from Backup.', {
    IN_ATTACHMENT: 'As an attachment of a new message, byte for byte (rule D5).',
    AS_IS: 'As it was received, byte for byte but for what rule D4 removes.',
  });
  describe(CapabilityReason, 'CapabilityReason', 'Why something is not allowed with a message.', {
    PREVIEW_SWITCHED_OFF: 'The administrator has switched reading off (rule P1).',
    NO_HTML_PART: 'The message has no HTML part (rule P3).',
    ANTI_VIRUS_STATUS: 'The Anti-Virus status allows text only (rule P3).',
    SENDING_SWITCHED_OFF: 'The administrator has switched sending off (rule D1).',
    THREAT_DETECTED: 'A threat was detected in the message (rule D2).',
    DELETION_SWITCHED_OFF: 'The administrator has switched deleting off (rule X1).',
    DELETED: 'The message was deleted from the section; restore it first (rule X5).',
  });
  describe(
    PersonalBackupAvailability,
    'PersonalBackupAvailability',
    'Whether a person has a personal Backup, and if not, why.',
    {
      AVAILABLE: 'It is there.',
      DIRECTORY_NOT_CONFIGURED: 'No directory is connected (rule V7).',
      ACCOUNT_NOT_IN_DIRECTORY: 'The directory does not hold the account any more.',
      ACCOUNT_AMBIGUOUS:
        'A name or address of the account belongs to another one, too (rule V8); an administrator has to resolve it.',
    },
  );
  describe(
    GroupMailboxAccess,
    'GroupMailboxAccess',
    'Whether a person sees group mailboxes, and if not, what is missing (rule V9).',
    {
      GRANTED: 'Every condition holds.',
      SWITCHED_OFF: 'The administrator has switched group mailboxes off.',
      DELEGATION_ATTRIBUTE_NOT_CONFIGURED: "The connection to the person's domain names no delegation attribute.",
      DELEGATION_NOT_LOADED: 'No synchronisation has loaded the delegation attribute since it was configured.',
    },
  );
  describe(MailboxKind, 'MailboxKind', 'Whose messages a section of personal Backup shows (rule V10).', {
    OWN: "The person's own addresses.",
    GROUP: 'A mailbox that the directory delegates to the person.',
  });
  describe(BackupOrderField, 'BackupOrderField', 'What lists of messages can be ordered by.', {
    RECEIVED_AT: 'When the gateway took the message.',
    SIZE: 'The size in bytes.',
    SENDER: 'The envelope sender, without regard to case.',
    SUBJECT: 'The subject, without regard to case.',
  });
  describe(OrderDirection, 'OrderDirection', 'Which way a list runs.', {
    ASC: 'Smallest first.',
    DESC: 'Greatest first.',
  });
  describe(PreviewMode, 'PreviewMode', "How a message's content is shown.", {
    TEXT: 'As plain text (rule P2).',
    HTML: 'As an inert HTML document for a sandboxed frame (rules P3, P4).',
  });
  describe(ChangeKind, 'ChangeKind', 'What happened.', {
    STORED: 'A message came in.',
    UPDATED: 'Something about a message changed, such as that it was sent.',
    REMOVED: 'A message is gone: deleted, hidden or expired.',
    ACCESS: 'What may be seen or done has changed; read sections and switches anew.',
    RESET: 'The cursor is too old; read everything anew and continue behind the new cursor.',
  });
  describe(SettingsWarning, 'SettingsWarning', 'What to know about a change that was made.', {
    DELEGATION_ATTRIBUTE_NOT_CONFIGURED:
      'Group mailboxes stay hidden until a connection names a delegation attribute (rule C4).',
    DELEGATION_NOT_LOADED:
      'Group mailboxes stay hidden until a synchronisation has loaded the delegation attribute (rule C4).',
    MESSAGE_ID_REMOVAL_CAN_BREAK_DKIM: 'Removing the Message-ID breaks DKIM signatures that cover it (rule D4).',
  });
  describe(RoleSubjectKind, 'AccountKind', 'Who can hold a role (rule V2).', {
    ACCOUNT: 'A local account.',
    PERSON: 'A person of the directory.',
    GROUP: 'Everybody in a group of the directory, nested groups included.',
  });
  describe(TlsMode, 'LdapTlsMode', 'How a directory connection is protected.', {
    LDAPS: 'TLS from the first byte.',
    STARTTLS: 'TLS after the StartTLS operation (RFC 4511, 4.14); nothing is sent before.',
    PLAIN: 'No TLS: passwords are sent readably; only where explicitly allowed.',
  });
  describe(
    AddressAttributes,
    'LdapAddressAttributes',
    'Which attributes hold the mail addresses of accounts (rule L1).',
    {
      MAIL: 'The attribute mail.',
      PROXY_ADDRESSES: 'The smtp values of proxyAddresses.',
      BOTH: 'Both.',
    },
  );
  describe(
    DirectoryPreset,
    'DirectoryPreset',
    'Which kind of directory it is; decides names of attributes and filters.',
    {
      ACTIVE_DIRECTORY: 'Active Directory.',
      OPENLDAP: 'OpenLDAP with inetOrgPerson and groupOfNames.',
      FREEIPA: 'FreeIPA.',
    },
  );
  describe(ScheduleKind, 'ScheduleKind', 'How often a connection is synchronised (rule L2).', {
    INTERVAL: 'Every so many minutes.',
    DAILY: 'Every day at a time.',
    WEEKLY: 'Every week on a day at a time.',
    MONTHLY: 'Every month on a day at a time; on its last day where it lacks that day.',
    MANUAL: 'Only when somebody starts it.',
  });
  describe(ConnectionTestStatus, 'ConnectionTestStatus', 'How a step of a connection test went.', {
    OK: 'Well.',
    WARNING: 'Well, with something to know.',
    FAILED: 'Not at all; the advice says what to do.',
    SKIPPED: 'Not tried, because an earlier step failed or it does not apply.',
  });
  describe(SynchronisationStatus, 'SynchronizationStatus', 'How a synchronisation went.', {
    NEVER: 'There was none yet.',
    RUNNING: 'It runs.',
    SUCCEEDED: 'The cache is up to date.',
    FAILED: 'The last data stays in use; it is tried again with growing delays (rule L3).',
    HELD_BACK:
      'The directory shows less than half of the people of before; the last data stays in use until somebody confirms.',
  });
  describe(SynchronisationKind, 'SynchronizationKind', 'What a synchronisation read.', {
    FULL: 'Everything.',
    INCREMENTAL: 'What changed since the last one.',
  });
  describe(OperationKind, 'OperationKind', 'What is done with several messages at once.', {
    SEND: 'They are sent.',
    DELETE: 'They are deleted: from a section of personal Backup, or for everybody.',
    RESTORE: 'Their deletion from personal Backup is taken back.',
  });
  describe(OperationState, 'OperationState', 'How far an operation has come.', {
    QUEUED: 'It waits for its turn.',
    RUNNING: 'It is being worked off.',
    FINISHED: 'Every message has an outcome.',
  });
  describe(OperationOutcome, 'OperationOutcome', 'What became of one message of an operation.', {
    PENDING: 'Nothing yet.',
    DONE: 'What was asked for.',
    DEFERRED: 'The relay put it off; it is tried again with growing delays (rule D7).',
    REFUSED: 'It was refused when it was asked for.',
    FAILED: 'It failed for good.',
    UNKNOWN: 'It may have been delivered or not; it is not repeated by itself, because it might arrive twice.',
    CANCELLED: 'It was cancelled before it started.',
  });
  describe(OperationReason, 'OperationReason', 'Why a message did not meet what was asked for.', {
    NOT_FOUND: 'It does not exist, or is not for the viewer (rule V6).',
    SENDING_SWITCHED_OFF: 'The administrator has switched sending off (rule D1).',
    THREAT_DETECTED: 'A threat was detected in the message (rule D2).',
    DELETION_SWITCHED_OFF: 'The administrator has switched deleting off (rule X1).',
    NO_OWN_ADDRESS: 'The directory knows no address of the viewer to send to.',
    NO_RECIPIENT: 'Nobody is left to send it to: no copy was put aside.',
    UNUSABLE_ADDRESS: 'The address of the mailbox cannot be used in SMTP.',
    ALREADY_BEING_SENT:
      'An earlier request to send it to the same mailbox in the same form is under way; once that has ended, it can be asked for again (rule D9).',
    MESSAGE_GONE: 'It was deleted or expired before its turn came.',
    ACCESS_GONE: 'The person lost the right to it before its turn came.',
    RELAY_REFUSED: 'The relay refused it, or could not take it.',
    MAY_ARRIVE_TWICE: 'The answer to its last bytes was lost; whoever sends it again may deliver it twice.',
    CANCELLED: 'Somebody cancelled the operation.',
  });
  describe(SendingState, 'SendingState', 'How far one sending has come.', {
    QUEUED: 'It waits for its first or next attempt.',
    SENDING: 'It is being tried.',
    DELIVERED: 'The relay took it over.',
    FAILED: 'It failed for good.',
    UNKNOWN: 'It may have been delivered or not, and is not repeated by itself.',
    CANCELLED: 'It was cancelled.',
  });
  describe(SendDestination, 'SendDestination', 'Where a person has messages sent (rule D3).', {
    MAILBOX: 'To the mailbox whose section the message is in.',
    OWN_ADDRESS: 'To the own primary address.',
  });
  describe(AuditEvent, 'AuditEvent', 'What somebody did.', {
    SIGN_IN: 'Signed in, or was refused.',
    SIGN_OUT: 'Ended the own session.',
    PERSONAL_BACKUP_SETTINGS_UPDATE:
      'Changed the settings of personal Backup; details hold old and new values (rule C3).',
    BACKUP_SETTINGS_UPDATE: 'Changed the settings of Backup; details hold old and new values (rule C3).',
    MESSAGE_READ: 'Saw the content of a message as a privileged user (rule P5).',
    MESSAGE_DOWNLOAD: 'Downloaded the source or an attachment (rule P5).',
    LDAP_CONNECTION_CREATE: 'Added a connection to a directory.',
    LDAP_CONNECTION_UPDATE: 'Changed a connection to a directory.',
    LDAP_CONNECTION_DELETE: 'Deleted a connection to a directory, and its cached data (rule L4).',
    DIRECTORY_SYNCHRONIZE: 'Asked for a synchronisation.',
    API_TOKEN_CREATE: 'Made an API token.',
    API_TOKEN_REVOKE: 'Revoked an API token.',
    ACCOUNT_CREATE: 'Added a local account.',
    ACCOUNT_UPDATE: 'Changed a local account.',
    ACCOUNT_DELETE: 'Deleted a local account.',
    PASSWORD_CHANGE: 'Changed the own password.',
    ROLE_CREATE: 'Added a role.',
    ROLE_UPDATE: 'Changed a role.',
    ROLE_DELETE: 'Deleted a role.',
    ROLE_ASSIGN: 'Gave somebody a role.',
    ROLE_WITHDRAW: 'Took a role from somebody.',
    SEND_REQUEST: 'Asked for messages to be sent.',
    SEND_RESULT: 'A sending ended; details hold the SMTP answer (rule D7).',
    SEND_FINISH: 'An operation of sending ended.',
    DELETE_REQUEST: 'Asked for messages to be deleted (rule X4).',
    DELETE_FINISH: 'An operation of deleting ended (rule X4).',
    RESTORE_REQUEST: 'Asked for messages to be restored (rule X5).',
    RESTORE_FINISH: 'An operation of restoring ended.',
    OPERATION_CANCEL: 'Cancelled an operation.',
  });
  describe(AuditOutcome, 'AuditOutcome', 'How what somebody did went.', {
    DONE: 'It was done.',
    REFUSED: 'It was not allowed.',
    FAILED: 'It was tried and did not succeed.',
  });
  describe(SendingAuthor, 'SendingAuthor', 'Who asked for a sending (rule D8).', {
    YOU: 'The viewer.',
    ANOTHER_USER: 'Somebody else.',
  });
}
