import { gather } from '../../src/services/gather.js';

/** Loads that wait until they are let go, in the order in which they were begun. */
function heldLoads() {
  const loads: { readonly keys: readonly number[]; finish(): void; fail(error: Error): void }[] = [];
  const load = (keys: readonly number[]) =>
    new Promise<string>((resolve, reject) => {
      loads.push({ keys, finish: () => resolve(keys.join()), fail: reject });
    });
  return { loads, load };
}

const turn = () => new Promise<void>((ends) => setImmediate(ends));

describe('gather', () => {
  it('loads once for all that is asked for in one turn, and gives everybody the same result', async () => {
    const { loads, load } = heldLoads();
    const ask = gather(10, load);
    const answers = [ask(1), ask(2), Promise.resolve().then(() => ask(3))];
    await turn();
    expect(loads.map(({ keys }) => keys)).toEqual([[1, 2, 3]]);
    loads[0]?.finish();
    expect(await Promise.all(answers)).toEqual(['1,2,3', '1,2,3', '1,2,3']);
  });

  it('V11: never answers a question with what was loaded before it', async () => {
    const { loads, load } = heldLoads();
    const ask = gather(10, load);
    void ask(1);
    await turn();
    const later = ask(1);
    await turn();
    expect(loads.map(({ keys }) => keys)).toEqual([[1], [1]]);
    loads[1]?.finish();
    expect(await later).toBe('1');
  });

  it('starts another load when the limit is reached', async () => {
    const { loads, load } = heldLoads();
    const ask = gather(2, load);
    for (const key of [1, 2, 3, 4, 5]) void ask(key);
    await turn();
    expect(loads.map(({ keys }) => keys)).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('passes a failure to everybody who asked, and to nobody else', async () => {
    const { loads, load } = heldLoads();
    const ask = gather(10, load, { inTurn: true });
    const failing = [ask(1), ask(2)];
    const settled = Promise.allSettled(failing);
    await turn();
    loads[0]?.fail(new Error('no database'));
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = ask(3);
    await turn();
    loads[1]?.finish();
    expect(await next).toBe('3');
  });

  it('in turn: gathers what is asked for while a load is under way', async () => {
    const { loads, load } = heldLoads();
    const ask = gather(10, load, { inTurn: true });
    const first = ask(1);
    await turn();
    const second = ask(2);
    await turn();
    const third = ask(3);
    await turn();
    expect(loads.map(({ keys }) => keys)).toEqual([[1]]);
    loads[0]?.finish();
    await first;
    await turn();
    expect(loads.map(({ keys }) => keys)).toEqual([[1], [2, 3]]);
    loads[1]?.finish();
    expect(await Promise.all([second, third])).toEqual(['2,3', '2,3']);
  });
});
