/** What {@link within} gives when the time is over. */
export const TOO_SLOW = Symbol('too slow');

/** Waits for a promise at most so long, ms; the work goes on afterwards, and its failure is then nobody's concern. */
export async function within<Result>(work: Promise<Result>, limitMs: number): Promise<Result | typeof TOO_SLOW> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<typeof TOO_SLOW>((resolve) => {
    timer = setTimeout(() => resolve(TOO_SLOW), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
