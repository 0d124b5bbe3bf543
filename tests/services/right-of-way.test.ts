import { RightOfWay } from '../../src/services/right-of-way.js';

describe('The right of way', () => {
  let rightOfWay: RightOfWay;
  let steps: number;

  beforeEach(() => {
    jest.useFakeTimers();
    rightOfWay = new RightOfWay();
    steps = 0;
  });
  afterEach(() => jest.useRealTimers());

  const work = () => rightOfWay.giveWay().then(() => void (steps += 1));
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

  it('lets background work go at once while nobody is served', async () => {
    await work();
    const answered = rightOfWay.enter();
    answered();
    await pass(2);
    await work();
    expect(steps).toBe(2);
  });

  it('keeps it waiting while somebody is served, and until the next request would have come', async () => {
    const answered = rightOfWay.enter();
    void work();
    await pass(20);
    expect(steps).toBe(0);
    answered();
    await pass(1);
    const next = rightOfWay.enter();
    await pass(3);
    expect(steps).toBe(0);
    next();
    await pass(1);
    expect(steps).toBe(1);
  });

  it('lets it take one step with every second answer, all who wait together', async () => {
    rightOfWay.enter();
    const answer = async () => {
      rightOfWay.enter()();
      await pass(0);
    };
    void work();
    void work();
    await answer();
    expect(steps).toBe(0);
    await answer();
    expect(steps).toBe(2);
    void work();
    await answer();
    expect(steps).toBe(2);
    await answer();
    expect(steps).toBe(3);
  });

  it('never starves it: forty steps a second, whoever is served for however long', async () => {
    rightOfWay.enter();
    const busy = async () => {
      for (;;) await work();
    };
    void busy();
    await pass(1_000);
    expect(steps).toBe(40);
  });
});
