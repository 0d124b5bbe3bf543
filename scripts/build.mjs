// npm run build: dist/ from src/ and the explorer.
import { build, ensureInstalled, giveUp } from './steps.mjs';

try {
  await ensureInstalled();
  await build();
} catch (error) {
  giveUp(error);
}
