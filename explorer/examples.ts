/** An operation to try, opened as a tab. */
export interface Example {
  readonly title: string;
  readonly description: string;
  readonly query: string;
  readonly variables?: string;
}

const dedent = (text: string) => `${text.replace(/^\n/, '').replace(/^ {4}/gm, '').trimEnd()}\n`;

/** The example operations in the order of the menu. */
export const examples: readonly Example[] = [
  {
    title: 'My Backup',
    description: 'Your own messages and those of the group mailboxes delegated to you. Sign in as a person first.',
    query: dedent(`
    query MyBackup {
      viewer {
        name
        personalBackup {
          availability
          own {
            address
            messages(first: 10) {
              edges { node { ...Card } }
              pageInfo { hasNextPage endCursor }
            }
          }
          groupMailboxAccess
          groupMailboxes {
            name
            address
            messages(first: 10) {
              edges { node { ...Card } }
            }
          }
        }
      }
    }

    fragment Card on PersonalBackupMessage {
      id
      receivedAt
      sender
      subject
      size
      detectedBy
      action
      viewerCan {
        previewHtml { allowed reason }
        send { allowed reason }
      }
    }`),
  },
  {
    title: 'Live changes of my Backup',
    description: 'Stays open and shows each change as it happens. Stop it with the same button that started it.',
    query: dedent(`
    subscription LiveChanges {
      personalBackupChanged {
        kind
        mailbox
        messageId
        message {
          receivedAt
          sender
          subject
        }
        cursor
      }
    }`),
  },
  {
    title: 'Message preview',
    description: 'Reads the newest message. “Show preview” below the result displays it, HTML in a sealed-off frame.',
    query: dedent(`
    query MessagePreview($mode: PreviewMode!) {
      viewer {
        personalBackup {
          own {
            messages(first: 1) {
              edges {
                node {
                  subject
                  viewerCan {
                    previewText { allowed reason }
                    previewHtml { allowed reason }
                  }
                  preview(mode: $mode) {
                    mode
                    content
                    blockedRemoteResources
                    truncated
                  }
                }
              }
            }
          }
        }
      }
    }`),
    variables: '{\n  "mode": "HTML"\n}\n',
  },
  {
    title: 'All messages',
    description: 'The global Backup. Needs the permission BACKUP_VIEW.',
    query: dedent(`
    query AllMessages($filter: BackupFilter) {
      backup {
        messages(first: 20, filter: $filter) {
          edges {
            node {
              id
              receivedAt
              sender
              subject
              size
              detectedBy
              action
              recipients { address action }
            }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`),
  },
  {
    title: 'Live changes of all messages',
    description: 'Every change of the global Backup. Needs the permission BACKUP_VIEW.',
    query: dedent(`
    subscription AllChanges {
      backupChanged {
        kind
        messageId
        message {
          receivedAt
          sender
          subject
        }
        cursor
      }
    }`),
  },
  {
    title: 'Group access off and on',
    description:
      'Run “Settings” first and put the version it shows into the variables. Needs SETTINGS_VIEW and SETTINGS_EDIT.',
    query: dedent(`
    query Settings {
      personalBackupSettings {
        version
        enabled
        groupMailboxes
      }
    }

    mutation GroupAccessOff($version: Int!) {
      updatePersonalBackupSettings(input: { version: $version, groupMailboxes: false }) {
        settings { version groupMailboxes }
        userErrors { code message }
      }
    }

    mutation GroupAccessOn($version: Int!) {
      updatePersonalBackupSettings(input: { version: $version, groupMailboxes: true }) {
        settings { version groupMailboxes }
        userErrors { code message }
      }
    }`),
    variables: '{\n  "version": 1\n}\n',
  },
];
