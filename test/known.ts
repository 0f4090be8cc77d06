// Figures that a report may lack, where a test is about one that is there.

/** The value. @throws when it is absent: then the test is about something else than it says */
export function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('A figure that the test is about is absent.');
  return value;
}
