/**
 * Whether a text can be compared with an ASCII column: MariaDB and MySQL refuse to compare one with other characters
 * ("Illegal mix of collations") instead of finding nothing. For texts that clients make up.
 */
export const isAscii = (text: string): boolean => /^[ -~]*$/.test(text);
