// What an estimate is made of: figures in sections, each saying whether it was given, assumed or modelled. Pure.

import type { Provenance } from '../model.ts';
import type { Check } from './checks.ts';
import type { LeverResult, OpenLever } from './lever.ts';
import type { Range } from './range.ts';

/** One figure of an estimate. */
export interface Figure {
  /** Name in JSON, its unit last. */
  readonly key: string;
  readonly label: string;
  readonly value: Range;
  readonly unit: string;
  /** `derived` from what the plan says; `assumed` and `modelled` are said aloud. */
  readonly provenance: Provenance;
  /** What the reader must know: a source, a convention. */
  readonly note?: string;
}

/** Figures that belong together, in the order of the article's models. */
export interface Section {
  readonly key: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** Why the section, or a part of it, has no figure. */
  readonly missing?: string;
}

/** A figure that somebody published, beside what its own inputs come to. */
export interface AsPublished {
  readonly unit: string;
  readonly published: number;
  readonly recomputed: number;
  readonly errorPercent: number;
}

/** What a plan comes to. */
export interface Estimate {
  readonly name: string;
  readonly field?: string;
  readonly description?: string;
  readonly currency: string;
  readonly sections: readonly Section[];
  /** Only of a published run. */
  readonly published?: readonly AsPublished[];
  readonly checks: readonly Check[];
  readonly levers: readonly LeverResult[];
  readonly openLevers: readonly OpenLever[];
}
