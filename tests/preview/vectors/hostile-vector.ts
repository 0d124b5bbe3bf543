/** HTML that a hostile sender could put into a mail. %BEACON% stands for an address that must never be asked for. */
export interface HostileVector {
  readonly name: string;
  readonly html: string;
  /** The whole message instead, for what is done outside of the HTML; takes the address of the beacon. */
  readonly message?: (beacon: string) => Buffer;
  /** What must not stand anywhere in the shown document, not even in another case or behind an entity. */
  readonly gone: readonly string[];
  /** Text that must still be readable. */
  readonly shown?: string;
}

/** Short form: name, markup, what must be gone, what must still be readable. */
export function vector(
  name: string,
  html: string,
  gone: string | readonly string[] = [],
  shown?: string,
): HostileVector {
  return { name, html, gone: typeof gone === 'string' ? [gone] : gone, ...(shown !== undefined && { shown }) };
}
