// What a PromQL expression asks for, by Prometheus's own grammar: every metric with the labels that it is selected by.

import { parser } from '@prometheus-io/lezer-promql';

import { FAMILIES } from '../../exporter/families.ts';
import type { Family } from '../../exporter/family.ts';

/** A metric in an expression, and the labels that its matchers name. */
export interface Selection {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** What an expression selects. @throws Error when it is no PromQL. */
export function selectionsOf(expression: string): Selection[] {
  const selections: { metric: string; labels: string[] }[] = [];
  parser.parse(expression).iterate({
    enter(node) {
      const text = expression.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`Not PromQL at ${node.from}: ${expression}`);
      if (node.name === 'VectorSelector') selections.push({ metric: '', labels: [] });
      const current = selections.at(-1);
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector' && current) {
        current.metric = text;
      }
      if (
        node.name === 'LabelName' &&
        node.matchContext(['LabelMatchers', 'UnquotedLabelMatcher'])
      ) {
        current?.labels.push(text);
      }
    },
  });
  return selections;
}

/** A family's series as they are stored, with their labels: a histogram's are three. */
const storedAs = ({
  name,
  type,
  labelNames,
}: Family): readonly (readonly [string, readonly string[]])[] =>
  type === 'histogram'
    ? [
        [`${name}_bucket`, [...labelNames, 'le']],
        [`${name}_sum`, labelNames],
        [`${name}_count`, labelNames],
      ]
    : [[name, labelNames]];

/** Every metric that a Wattmeter exposes, with its labels. */
export const EXPOSED: ReadonlyMap<string, readonly string[]> = new Map(FAMILIES.flatMap(storedAs));

/** Labels that Prometheus adds to what it scrapes. */
export const TARGET_LABELS = ['cluster', 'instance', 'job'];
