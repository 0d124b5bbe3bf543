/** Placeholders for values of an SQL list, such as "?, ?, ?". */
export const marksFor = (values: readonly unknown[]): string => values.map(() => '?').join(', ');
