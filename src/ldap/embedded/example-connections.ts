import type { LdapConnectionSettings } from '../connection-settings.js';
import type { Organisation } from './organisation.js';
import { dnOfDomain } from '../distinguished-name.js';

/** Settings that connect to an embedded directory, one connection for each domain of its organisation. */
export function connectionsTo(organisation: Organisation, port: number): LdapConnectionSettings[] {
  return organisation.domains.map(({ name, entries }) => {
    const service = entries.find(({ dn }) => /service/i.test(dn) && dn.toLowerCase().startsWith('cn='));
    return {
      domain: name,
      servers: [{ host: '127.0.0.1', port }],
      tlsMode: 'PLAIN',
      // Never leaves the machine: the embedded directory listens on the loopback interface only.
      plainAllowed: true,
      caPem: null,
      baseDn: dnOfDomain(name),
      bindName: service?.dn ?? '',
      bindPassword: service?.password ?? '',
      addressAttributes: 'BOTH',
      contacts: true,
      delegationAttributes: ['msExchDelegateListLink'],
      preset: 'ACTIVE_DIRECTORY',
      overrides: {},
    };
  });
}
