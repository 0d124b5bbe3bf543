import { dnOfDomain, escapeDnValue, isWithin, normaliseDn, parentOfNormalised } from '../distinguished-name.js';
import { guidBytes, guidText } from '../object-guid.js';
import { LinkIndex, linkAttributes } from './link-index.js';
import { defaultAttributes, type AttributeValue, type Organisation, type OrganisationEntry } from './organisation.js';

/** An entry as the server keeps it; attributes by lower-case name, each with the spelling of the schema. */
export interface StoredEntry {
  dn: string;
  key: string;
  readonly guid: string;
  password: string | undefined;
  deleted: boolean;
  readonly attributes: Map<string, { readonly name: string; readonly values: AttributeValue[] }>;
}

/** One change of an attribute: the new values; an empty list removes the attribute. */
export type AttributeChanges = Readonly<Record<string, string | readonly AttributeValue[]>>;

/** Where entries that were deleted are kept until they are purged (MS-ADTS 3.1.1.5.5). */
const DELETED_OBJECTS = 'CN=Deleted Objects';
// What a tombstone keeps of an entry besides what is set at its deletion.
const KEPT_BY_TOMBSTONE = new Set(['objectguid', 'objectclass', 'samaccountname', 'usncreated', 'whencreated']);

/** The entries of an organisation with the bookkeeping of Active Directory: change numbers, links both ways, tombstones. */
export class EntryStore {
  private readonly byKey = new Map<string, StoredEntry>();
  private readonly links = new LinkIndex();
  private usn: number;

  constructor(
    readonly organisation: Organisation,
    private readonly now: () => Date = () => new Date(),
    firstUsn = 10_000,
  ) {
    this.usn = firstUsn;
    for (const domain of organisation.domains) {
      this.add({ dn: dnOfDomain(domain.name), kind: 'domain', guid: domain.guid });
      for (const entry of domain.entries) this.add(entry);
    }
  }

  /** The number of the latest change (highestCommittedUSN). */
  get highestUsn(): number {
    return this.usn;
  }

  /** The forest's root domain; the configuration lies below it. */
  get forestRoot(): string {
    return this.organisation.domains[0]?.name ?? 'example.com';
  }

  /** The entry with a DN in any spelling; tombstones too. */
  find(dn: string): StoredEntry | undefined {
    return this.byKey.get(normaliseDn(dn));
  }

  /** Every entry, tombstones too, in the order in which they were added. */
  all(): IterableIterator<StoredEntry> {
    return this.byKey.values();
  }

  /** Adds an entry; throws when the name is taken. */
  add(entry: OrganisationEntry): StoredEntry {
    const key = normaliseDn(entry.dn);
    if (this.byKey.has(key)) throw new Error(`An entry named ${entry.dn} exists.`);
    const stored: StoredEntry = {
      dn: entry.dn,
      key,
      guid: entry.guid,
      password: entry.password,
      deleted: false,
      attributes: new Map(),
    };
    for (const [name, values] of Object.entries(defaultAttributes(entry.kind, entry.dn, this.forestRoot)))
      this.put(stored, name, values);
    for (const [name, values] of Object.entries(entry.attributes ?? {}))
      this.put(stored, name, typeof values === 'string' ? [values] : [...values]);
    this.put(stored, 'distinguishedName', [entry.dn]);
    this.put(stored, 'objectGUID', [guidBytes(entry.guid)]);
    this.byKey.set(key, stored);
    this.stamp(stored, true);
    return stored;
  }

  /** Replaces attributes of an entry and gives it a new change number. */
  modify(dn: string, changes: AttributeChanges): void {
    const entry = this.require(dn);
    for (const [name, values] of Object.entries(changes))
      this.put(entry, name, typeof values === 'string' ? [values] : [...values]);
    this.stamp(entry, false);
  }

  /** Sets the password of an account. */
  setPassword(dn: string, password: string): void {
    this.require(dn).password = password;
  }

  /**
   * Renames or moves an entry with all that lies below it. Links follow without a change of the entries that hold
   * them, and only the entry itself gets a new change number, not those below it: as in Active Directory.
   */
  rename(dn: string, newDn: string): void {
    const entry = this.require(dn);
    const oldKey = entry.key;
    const newKey = normaliseDn(newDn);
    const moved = [...this.byKey.values()].filter((candidate) => isWithin(candidate.key, oldKey));
    for (const each of moved) {
      const target = each === entry ? newDn : `${each.dn.slice(0, each.dn.length - dn.length)}${newDn}`;
      this.move(each, target);
    }
    if (!this.byKey.has(newKey)) throw new Error(`Could not rename to ${newDn}.`);
    this.stamp(entry, false);
  }

  /** Deletes an entry: links to it vanish silently, a tombstone with its objectGUID stays. */
  delete(dn: string): void {
    const entry = this.require(dn);
    const domain = this.organisation.domains.find(({ name }) => isWithin(entry.key, normaliseDn(dnOfDomain(name))));
    const name = String(entry.attributes.get('name')?.values[0] ?? '');
    const parent = entry.dn.slice(entry.dn.length - parentOfNormalised(entry.key).length);
    this.links.removeTarget(entry.key, (holder, attribute, target) => this.dropLink(holder, attribute, target));
    for (const attribute of [...entry.attributes.keys()])
      if (!KEPT_BY_TOMBSTONE.has(attribute)) this.put(entry, attribute, []);
    const tombstone = `CN=${escapeDnValue(name)}\\0ADEL:${entry.guid},${DELETED_OBJECTS},${dnOfDomain(domain?.name ?? this.forestRoot)}`;
    this.move(entry, tombstone);
    entry.deleted = true;
    entry.password = undefined;
    this.put(entry, 'isDeleted', ['TRUE']);
    this.put(entry, 'lastKnownParent', [parent]);
    this.put(entry, 'name', [`${name}\nDEL:${entry.guid}`]);
    this.stamp(entry, false);
  }

  /** The values of an attribute of an entry by any spelling of its name; back links are computed. */
  read(entry: StoredEntry, name: string): readonly AttributeValue[] {
    const lower = name.toLowerCase();
    const stored = entry.attributes.get(lower);
    if (stored) return stored.values;
    const forward = linkAttributes.get(lower);
    if (!forward) return [];
    return this.links.holders(entry.key, forward).map((key) => this.byKey.get(key)?.dn ?? key);
  }

  private require(dn: string): StoredEntry {
    const entry = this.find(dn);
    if (!entry) throw new Error(`There is no entry named ${dn}.`);
    return entry;
  }

  private put(entry: StoredEntry, name: string, values: AttributeValue[]): void {
    const lower = name.toLowerCase();
    this.links.replace(entry.key, lower, values);
    if (values.length === 0) entry.attributes.delete(lower);
    else entry.attributes.set(lower, { name, values });
  }

  private move(entry: StoredEntry, newDn: string): void {
    const newKey = normaliseDn(newDn);
    if (this.byKey.has(newKey) && newKey !== entry.key) throw new Error(`An entry named ${newDn} exists.`);
    for (const [attribute] of entry.attributes) this.links.replace(entry.key, attribute, []);
    this.links.removeTarget(entry.key, (holder, attribute, target) =>
      this.renameLink(holder, attribute, target, newDn),
    );
    this.byKey.delete(entry.key);
    entry.dn = newDn;
    entry.key = newKey;
    this.byKey.set(newKey, entry);
    for (const [attribute, { values }] of entry.attributes) this.links.replace(newKey, attribute, values);
    this.put(entry, 'distinguishedName', [newDn]);
  }

  private renameLink(holderKey: string, attribute: string, targetKey: string, newDn: string): void {
    const holder = this.byKey.get(holderKey);
    const link = holder?.attributes.get(attribute);
    if (!holder || !link) return;
    this.put(
      holder,
      link.name,
      link.values.map((value) => (normaliseDn(String(value)) === targetKey ? newDn : value)),
    );
  }

  private dropLink(holderKey: string, attribute: string, targetKey: string): void {
    const holder = this.byKey.get(holderKey);
    const link = holder?.attributes.get(attribute);
    if (!holder || !link) return;
    this.put(
      holder,
      link.name,
      link.values.filter((value) => normaliseDn(String(value)) !== targetKey),
    );
  }

  private stamp(entry: StoredEntry, created: boolean): void {
    this.usn += 1;
    const when = `${this.now().toISOString().replace(/\D/g, '').slice(0, 14)}.0Z`;
    this.put(entry, 'uSNChanged', [String(this.usn)]);
    this.put(entry, 'whenChanged', [when]);
    if (!created) return;
    this.put(entry, 'uSNCreated', [String(this.usn)]);
    this.put(entry, 'whenCreated', [when]);
  }
}

/** A new objectGUID in text form. */
export function newGuid(): string {
  return guidText(globalThis.crypto.getRandomValues(new Uint8Array(16))) as string;
}
