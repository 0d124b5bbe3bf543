import { normaliseDn } from '../distinguished-name.js';
import type { AttributeValue } from './organisation.js';

/** Attributes that are the other end of a link, by lower-case name, with the lower-case name of the forward link. */
export const linkAttributes: ReadonlyMap<string, string> = new Map([
  ['memberof', 'member'],
  ['msexchdelegatelistbl', 'msexchdelegatelistlink'],
  ['directreports', 'manager'],
]);

/** How a back link is spelt in answers. */
export const backLinkNames: readonly string[] = ['memberOf', 'msExchDelegateListBL', 'directReports'];

const FORWARD = new Set(linkAttributes.values());

/** Which entries name an entry in a linked attribute; keeps back links cheap in organisations of any size. */
export class LinkIndex {
  // target key → forward attribute → keys of the entries that hold the link
  private readonly targets = new Map<string, Map<string, Set<string>>>();
  // holder key and attribute → target keys, to take the old ones back
  private readonly held = new Map<string, string[]>();

  /** Takes note of the new values of an attribute. */
  replace(holderKey: string, attribute: string, values: readonly AttributeValue[]): void {
    if (!FORWARD.has(attribute)) return;
    const slot = `${attribute}|${holderKey}`;
    for (const target of this.held.get(slot) ?? []) this.targets.get(target)?.get(attribute)?.delete(holderKey);
    if (values.length === 0) {
      this.held.delete(slot);
      return;
    }
    const keys = values.map((value) => normaliseDn(String(value)));
    this.held.set(slot, keys);
    for (const target of keys) {
      const attributes = this.targets.get(target) ?? new Map<string, Set<string>>();
      this.targets.set(target, attributes);
      const holders = attributes.get(attribute) ?? new Set<string>();
      attributes.set(attribute, holders.add(holderKey));
    }
  }

  /** The keys of the entries that name the target in the forward attribute. */
  holders(targetKey: string, attribute: string): string[] {
    return [...(this.targets.get(targetKey)?.get(attribute) ?? [])];
  }

  /** Calls back for each link to the target, so that the holder can be changed. */
  removeTarget(targetKey: string, change: (holderKey: string, attribute: string, targetKey: string) => void): void {
    const attributes = this.targets.get(targetKey);
    if (!attributes) return;
    for (const [attribute, holders] of [...attributes])
      for (const holder of [...holders]) change(holder, attribute, targetKey);
  }
}
