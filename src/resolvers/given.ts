/** The fields of an input that were given; null, which clients send for "nothing to say", counts as left out. */
export function given<Target extends object>(input: {
  readonly [Name in keyof Target]?: Target[Name] | null | undefined;
}): Partial<Target> {
  return Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<Target>;
}
