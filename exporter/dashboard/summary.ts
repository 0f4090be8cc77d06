// The four figures at the top: power now, energy so far, cost, carbon, each with what it is worth.

import type { Provenance, Snapshot } from '../../agent/snapshot.ts';
import { byId, setShown, setText } from './dom.ts';
import {
  carbonSum,
  costSum,
  coverageSum,
  energyProvenance,
  energySum,
  gpusOf,
  powerNow,
  ratio,
  type Sum,
} from './figures.ts';
import {
  coverage,
  duration,
  energy,
  mass,
  money,
  percent,
  power,
  quantity,
  UNKNOWN,
  type Figure,
} from './format.ts';

const EXPLANATIONS: Readonly<Record<Provenance, string>> = {
  measured: 'Read from sensors or published data',
  derived: 'Computed from measured values',
  assumed: 'A default or an option: nobody measured it',
  modelled: 'Computed by a model from something else than power',
};

interface Card {
  readonly figure: Figure;
  readonly provenance: Provenance | undefined;
  readonly notes: readonly string[];
}

function showCard(id: string, { figure, provenance, notes }: Card): void {
  setText(byId(`${id}-value`), figure.value);
  setText(byId(`${id}-unit`), figure.unit);
  const uncertainty = byId(`${id}-uncertainty`);
  setText(uncertainty, figure.uncertainty ?? '');
  setShown(uncertainty, figure.uncertainty !== undefined);
  setText(byId(`${id}-note`), notes.filter((note) => note !== '').join('\n'));
  showProvenance(byId(`${id}-provenance`), figure.value === UNKNOWN ? undefined : provenance);
}

function showProvenance(chip: HTMLElement, provenance: Provenance | undefined): void {
  setShown(chip, provenance !== undefined);
  if (provenance === undefined) return;
  setText(chip, provenance);
  chip.className = `chip ${provenance}`;
  chip.title = EXPLANATIONS[provenance];
}

const valueOf = (sum: Sum): number | undefined => (sum.kind === 'known' ? sum.value : undefined);
const spreadOf = (sum: Sum): number | undefined =>
  sum.kind === 'known' ? sum.uncertainty : undefined;
const reasonOf = (sum: Sum): string => (sum.kind === 'known' ? '' : sum.reason);

function powerCard(snapshot: Snapshot): Card {
  const { watts, limitWatts, reporting, present, gone } = powerNow(snapshot);
  const share = ratio(watts, limitWatts);
  const meter = byId('power-meter');
  setShown(meter, share !== undefined);
  meter.style.setProperty('--share', String(Math.min(1, share ?? 0)));
  const limit =
    limitWatts === undefined ? '' : `${percent(share)} of their ${quantity(limitWatts, 'W')} limit`;
  const vanished = gone === 0 ? '' : `, ${gone} gone`;
  const count =
    present === 0
      ? `No GPU is there${vanished}`
      : `${reporting} of ${present} GPUs reporting${vanished}`;
  return { figure: power(watts), provenance: energyProvenance(snapshot), notes: [count, limit] };
}

function energyCard(snapshot: Snapshot): Card {
  const sum = energySum(snapshot);
  const estimate = gpusOf(snapshot).reduce((all, { totals }) => all + totals.gapEstimateJoules, 0);
  const { value, unit } = energy(estimate);
  return {
    figure: energy(valueOf(sum), spreadOf(sum)),
    provenance: energyProvenance(snapshot),
    notes: [
      reasonOf(sum),
      `coverage ${coverage(coverageSum(snapshot))} over ${duration(snapshot.takenSeconds - snapshot.startedSeconds)}`,
      estimate > 0 ? `gaps held perhaps ${value} ${unit} more, not counted` : '',
    ],
  };
}

/** What the facility adds, and whether anybody said so: 1 is what an option leaves out. */
function facility({
  powerUsageEffectiveness: ratio,
  powerUsageEffectivenessProvenance: provenance,
}: Snapshot): string {
  return `PUE ${ratio}${provenance === 'assumed' ? ' (assumed)' : ''}`;
}

function costCard(snapshot: Snapshot): Card {
  const sum = costSum(snapshot);
  const { price } = snapshot;
  const tariff =
    price === undefined
      ? ''
      : `${price.perKilowattHour.toLocaleString('en', { maximumFractionDigits: 4 })} ${price.currency}/kWh now, ${price.tariff}`;
  return {
    figure: money(valueOf(sum), price?.currency ?? '', spreadOf(sum)),
    provenance: price?.provenance,
    notes: [reasonOf(sum), tariff, price === undefined ? '' : facility(snapshot)],
  };
}

function carbonCard(snapshot: Snapshot): Card {
  const sum = carbonSum(snapshot);
  const { grid } = snapshot;
  const intensity =
    grid === undefined
      ? ''
      : `${quantity(grid.gramsPerKilowattHour, 'g/kWh')}, ${grid.zone}, location-based`;
  const dataset = grid === undefined ? '' : `${grid.dataset}, ${grid.vintage}`;
  return {
    figure: mass(valueOf(sum)),
    provenance: grid?.provenance,
    notes: [reasonOf(sum), intensity, dataset],
  };
}

/** Writes the four figures. */
export function showSummary(snapshot: Snapshot): void {
  showCard('power', powerCard(snapshot));
  showCard('energy', energyCard(snapshot));
  showCard('cost', costCard(snapshot));
  showCard('carbon', carbonCard(snapshot));
}
