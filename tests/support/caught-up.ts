import type { App } from '../../src/app.js';
import { until } from './until.js';

/**
 * Waits until the server has seen every change that is committed, so that a cursor taken from then on lies behind them all.
 * Without it a cursor may lie a moment back, and a subscription behind it begins with what the test did before.
 */
export async function caughtUp({ services: { feed } }: Pick<App, 'services'>): Promise<void> {
  const { place } = await feed.current();
  await until('the server has seen every change', () => feed.position.place >= place);
}
