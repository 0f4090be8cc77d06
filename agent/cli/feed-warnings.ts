// What the reader of a report must know of the live services behind its prices and grams.

import { formatDuration } from '../display/quantity.ts';
import type { Warning } from '../model.ts';
import type { Instant } from '../units.ts';
import type { Pricing } from './pricing.ts';

/** Values that were held over the time up to `endSeconds`, how old they were, and why there was no newer one. */
export function feedWarnings({ feeds }: Pick<Pricing, 'feeds'>, endSeconds: Instant): Warning[] {
  return feeds.flatMap((feed) => {
    const { adapter } = feed;
    const { newestSeconds, lastError } = feed.state();
    const heldSeconds = newestSeconds === undefined ? undefined : endSeconds - newestSeconds;
    const held =
      heldSeconds === undefined
        ? `${adapter.name} has told no value.`
        : heldSeconds > 0
          ? `${adapter.name} has no value for the last ${formatDuration(heldSeconds)} of this: the one before is held.`
          : '';
    if (held === '') return [];
    const message = [held, lastError ?? ''].filter((part) => part !== '').join(' ');
    return [{ code: 'feed-held', message }];
  });
}
