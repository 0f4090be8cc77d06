// JSON as the API writes it: an unknown is absent, so what is no number is left out instead of becoming null.

/** Text of a value without its non-finite numbers. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? undefined : inner,
  );
