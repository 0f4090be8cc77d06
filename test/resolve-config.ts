import { resolveOptions } from '../agent/config.ts';
import type { Config } from '../agent/options.ts';

/** What a command would be asked for; where it was said is left out. */
export const resolveConfig = async (...asked: Parameters<typeof resolveOptions>): Promise<Config> =>
  (await resolveOptions(...asked)).config;
