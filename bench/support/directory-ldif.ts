import { guidBytes } from '../../src/ldap/object-guid.js';

/** Size and shape of a made-up organisation. */
export interface Organisation {
  readonly people: number;
  readonly groups: number;
  readonly mailboxes: number;
}

/** Where it is served. */
export const SUFFIX = 'dc=bench,dc=example';

const LARGEST_GROUP = 3_000;
const CHAIN = 10;
const FIRST_NAMES = 'Anna Boris Clara Dmitri Elena Frida Gustav Hanako Ivo Jörg Karla Lars Mona Nils Olga Paul'.split(
  ' ',
);
const LAST_NAMES = 'Berg Fontaine Holm Lindqvist Müller Novák Núñez Orlov Petrova Sokolov Tanaka Weiß'.split(' ');
// What was there long before, so that an incremental synchronisation does not take all of it for new.
const OLD = 'createTimestamp: 20200101000000Z\nmodifyTimestamp: 20200101000000Z\n';

const guid = (kind: number, index: number) =>
  guidBytes(`0000000${kind}-0000-4000-8000-${index.toString(16).padStart(12, '0')}`).toString('base64');

/** DN of the person with this number. */
export const personDn = (index: number): string => `cn=Person ${index},ou=people,${SUFFIX}`;
/** DN of the group with this number. */
export const groupDn = (index: number): string => `cn=Group ${index},ou=groups,${SUFFIX}`;

/** DN of the group mailbox with this number. */
export const mailboxDn = (index: number): string => `cn=Mailbox ${index},ou=mailboxes,${SUFFIX}`;

/** The organisation as slapadd reads it: one group of up to 3,000 people, groups nested ten deep, mailboxes delegated to people and groups. */
export function directoryLdif({ people, groups, mailboxes }: Organisation): string {
  const lines: string[] = [];
  for (const unit of ['people', 'groups', 'mailboxes'])
    lines.push(`dn: ou=${unit},${SUFFIX}\nobjectClass: organizationalUnit\nou: ${unit}\n${OLD}`);
  for (let index = 0; index < people; index += 1) {
    const first = FIRST_NAMES[index % FIRST_NAMES.length] ?? '';
    const last = LAST_NAMES[Math.trunc(index / 7) % LAST_NAMES.length] ?? '';
    lines.push(
      `dn: ${personDn(index)}\nobjectClass: user\nobjectCategory: person\nobjectGUID:: ${guid(1, index)}\ncn: Person ${index}\nsn:: ${Buffer.from(last).toString('base64')}\n` +
        `uid: person${index}\nsAMAccountName: person${index}\nuserPrincipalName: person${index}@bench.example\n` +
        `displayName:: ${Buffer.from(`${first} ${last} ${index}`).toString('base64')}\nmail: person${index}@bench.example\n` +
        `proxyAddresses: SMTP:person${index}@bench.example\nproxyAddresses: smtp:p.${index}@bench.example\nuserAccountControl: 512\n${OLD}`,
    );
  }
  for (let index = 0; index < groups; index += 1) {
    const size = index === 0 ? Math.min(people, LARGEST_GROUP) : 20;
    const members = Array.from({ length: size }, (_, member) => personDn((index * 37 + member) % people));
    // Each of ten contains the next one.
    if (index % CHAIN !== CHAIN - 1 && index + 1 < groups) members.push(groupDn(index + 1));
    lines.push(
      `dn: ${groupDn(index)}\nobjectClass: group\nobjectCategory: group\nobjectGUID:: ${guid(2, index)}\ncn: Group ${index}\nsAMAccountName: Group ${index}\n` +
        `${members.map((member) => `member: ${member}\n`).join('')}${OLD}`,
    );
  }
  for (let index = 0; index < mailboxes; index += 1) {
    const delegates = [personDn((index * 101) % people), personDn((index * 103 + 1) % people)];
    if (groups > 0) delegates.push(groupDn((index * 7) % groups));
    lines.push(
      `dn: ${mailboxDn(index)}\nobjectClass: user\nobjectCategory: person\nobjectGUID:: ${guid(3, index)}\ncn: Mailbox ${index}\nsn: x\n` +
        `uid: mailbox${index}\nsAMAccountName: mailbox${index}\ndisplayName: Mailbox ${index}\nmail: mailbox${index}@bench.example\nuserAccountControl: 514\n` +
        `${[...new Set(delegates)].map((delegate) => `msExchDelegateListLink: ${delegate}\n`).join('')}${OLD}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
