// Finds fields that a schema does not know. The published Kubernetes validators ignore them, as the API server drops them
// in silence; so the document is handed over behind a proxy that notes which fields the validator looks at.

/** Paths of `document`'s fields that `validate` never looked at: misspelt or misplaced ones. @throws what `validate` throws */
export function unknownFields<T extends object>(
  document: T,
  validate: (document: T) => void,
): string[] {
  const unread = new Set<string>();
  validate(watch(document, '', unread));
  return [...unread];
}

function watch<T extends object>(value: T, path: string, unread: Set<string>): T {
  const children = new Map<PropertyKey, unknown>();
  for (const [key, child] of Object.entries(value)) {
    const place = `${path}/${key}`;
    if (!Array.isArray(value)) unread.add(place);
    children.set(key, isObject(child) ? watch(child, place, unread) : child);
  }
  return new Proxy(value, {
    get(target, key, receiver) {
      unread.delete(`${path}/${String(key)}`);
      return children.has(key) ? children.get(key) : Reflect.get(target, key, receiver);
    },
  });
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
