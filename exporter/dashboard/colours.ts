// One colour per GPU, the same in the chart and in the table.

// Eight hues that stay apart for most colour-blind eyes, on light and on dark ground.
const HUES = [
  '#3b82f6',
  '#f59e0b',
  '#10b981',
  '#e85d9c',
  '#8b5cf6',
  '#06b6d4',
  '#ef6a4c',
  '#84a817',
];

// Beyond eight, hues a golden angle apart: neighbours differ most.
const GOLDEN_ANGLE_DEGREES = 137.508;

/** Colour of the GPU at a position. */
export const colourOf = (position: number): string =>
  HUES[position] ?? `hsl(${((position * GOLDEN_ANGLE_DEGREES) % 360).toFixed(0)} 62% 55%)`;
