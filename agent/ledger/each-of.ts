// A generator that also returns a value, consumed to its end: `for await` would lose the value.

/** Calls back for each value, waiting if told to, and gives what the generator returns; lets go of it when that throws. */
export async function eachOf<Value, Result>(
  generator: AsyncGenerator<Value, Result>,
  onValue: (value: Value) => Promise<void> | undefined | void,
): Promise<Result> {
  let finished = false;
  try {
    for (;;) {
      const step = await generator.next();
      if (step.done === true) {
        finished = true;
        return step.value;
      }
      const wait = onValue(step.value);
      if (wait !== undefined) await wait;
    }
  } finally {
    // Its files must be closed; the value it would return does not matter any more.
    if (!finished) await generator.return(undefined as Result);
  }
}
