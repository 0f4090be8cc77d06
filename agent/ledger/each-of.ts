// A generator that also returns a value, consumed to its end: `for await` would lose the value.

/** Calls back for each value and gives the generator's return value; lets go of it when the callback throws. */
export async function eachOf<Value, Result>(
  generator: AsyncGenerator<Value, Result>,
  onValue: (value: Value) => void,
): Promise<Result> {
  let finished = false;
  try {
    for (;;) {
      const step = await generator.next();
      if (step.done === true) {
        finished = true;
        return step.value;
      }
      onValue(step.value);
    }
  } finally {
    // Its files must be closed; the value it would return does not matter any more.
    if (!finished) await generator.return(undefined as Result);
  }
}
