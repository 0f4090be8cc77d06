// C = C_person + C_hardware + C_labelling, electricity and deployment beside it: the article's first model. Rent
// includes energy, so the two are never added. Pure.

import type { Basis } from './basis.ts';
import type { EnergyParts } from './energy.ts';
import type { Figure, Section } from './figures.ts';
import type { Hardware, Labelling, Person } from './plan.ts';
import { exactly, productOf, quotientOf, scaled, shareOf, sumOf, type Range } from './range.ts';

const HOURS_PER_YEAR = 8760;
const DAYS_PER_MONTH = 365.25 / 12;

/** The money of a plan; absent parts were not given. */
export interface CostParts {
  readonly people?: Range;
  readonly hardware?: Range;
  readonly labelling?: Range;
  /** People + hardware + labelling, of those that are known. */
  readonly total?: Range;
  /** Of computing: inside the rent where there is one. */
  readonly computeElectricity: Range;
  /** Of moving and keeping data, which no rent of GPUs includes. */
  readonly dataElectricity: Range;
  /** What a GPU-hour costs, rent or amortisation; absent when bought outright. */
  readonly ratePerGpuHour?: Range;
  readonly deploymentElectricity?: Range;
  readonly deploymentCloud?: Range;
  readonly deploymentOperation?: Range;
}

/** All money of a plan, in its currency. */
export function costOf(basis: Basis, energy: EnergyParts): CostParts {
  const { plan } = basis;
  const people = plan.people === undefined ? undefined : sumOf(...plan.people.map(payOf));
  const rate = plan.hardware === undefined ? undefined : gpuHourRate(plan.hardware);
  const hardware = hardwareCost(plan.hardware, rate, energy.gpuHours);
  const labelling = plan.labelling === undefined ? undefined : labellingCost(plan.labelling);
  const price = basis.price.value;
  const months = scaled(plan.deployment?.days ?? exactly(0), 1 / DAYS_PER_MONTH);
  const { cloudCostPerMonth: cloud, operationCostPerMonth: operation } = plan.deployment ?? {};
  const known = [people, hardware, labelling].filter((part) => part !== undefined);
  return {
    ...(known.length === 0 ? {} : { total: sumOf(...known) }),
    computeElectricity: productOf(energy.compute, price),
    dataElectricity: productOf(energy.dataTotal, price),
    ...(people === undefined ? {} : { people }),
    ...(hardware === undefined ? {} : { hardware }),
    ...(labelling === undefined ? {} : { labelling }),
    ...(rate === undefined ? {} : { ratePerGpuHour: rate }),
    ...(energy.deployment === undefined
      ? {}
      : { deploymentElectricity: productOf(energy.deployment, price) }),
    ...(cloud === undefined ? {} : { deploymentCloud: productOf(cloud, months) }),
    ...(operation === undefined ? {} : { deploymentOperation: productOf(operation, months) }),
  };
}

/** The sections of cost and deployment. */
export function costSections(basis: Basis, energy: EnergyParts, cost: CostParts): Section[] {
  const money = moneyFigure(basis);
  const rented = basis.plan.hardware?.kind === 'rented';
  const figures: Figure[] = [
    ...money('peopleCost', 'People', cost.people),
    ...money('hardwareCost', hardwareLabel(basis.plan.hardware), cost.hardware),
    ...money('labellingCost', 'Labelling', cost.labelling),
    ...money('totalCost', 'C, their sum', cost.total),
    ...electricityFigures(basis, cost, rented),
    ...shareFigure(cost, rented),
    {
      key: 'pricePerKilowattHour',
      label: 'at a price of',
      value: basis.price.value,
      unit: `${basis.currency}/kWh`,
      provenance: basis.price.provenance,
      ...(basis.price.note === undefined ? {} : { note: basis.price.note }),
    },
  ];
  const missing = missingParts(basis, energy, cost);
  return [
    { key: 'cost', title: 'Cost', figures, ...(missing === '' ? {} : { missing }) },
    ...deploymentSection(basis, energy, cost),
  ];
}

function payOf(person: Person): Range {
  if ('amount' in person) return person.amount;
  return scaled(productOf(person.count, person.months, person.salaryPerYear), 1 / 12);
}

/** Rent, or capex (1 − residual) ÷ (life · 8760 · utilisation) + operation, per GPU-hour. */
export function gpuHourRate(hardware: Hardware): Range | undefined {
  switch (hardware.kind) {
    case 'bought':
      return undefined;
    case 'rented':
      return hardware.ratePerGpuHour;
    case 'owned': {
      const { residualRatio: residual, lifeYears, utilisationRatio } = hardware;
      const lost = { low: 1 - residual.high, mid: 1 - residual.mid, high: 1 - residual.low };
      const used = scaled(productOf(lifeYears, utilisationRatio), HOURS_PER_YEAR);
      const perHour = quotientOf(productOf(hardware.purchasePerGpu, lost), used);
      return sumOf(perHour, hardware.operationPerGpuHour);
    }
  }
}

function hardwareCost(
  hardware: Hardware | undefined,
  rate: Range | undefined,
  gpuHours: Range | undefined,
): Range | undefined {
  if (hardware?.kind === 'bought') return hardware.amount;
  return rate === undefined || gpuHours === undefined ? undefined : productOf(rate, gpuHours);
}

/** Money as given, or hours × pay; undefined where the plan says neither. */
export function labellingCost({ amount, personHours, payPerHour }: Labelling): Range | undefined {
  if (amount !== undefined) return amount;
  if (personHours === undefined || payPerHour === undefined) return undefined;
  return productOf(personHours, payPerHour);
}

function hardwareLabel(hardware: Hardware | undefined): string {
  switch (hardware?.kind) {
    case 'rented':
      return 'Hardware (rent with energy)';
    case 'owned':
      return 'Hardware (its share of life)';
    case 'bought':
    case undefined:
      return 'Hardware (bought)';
  }
}

/** A line of money, or none where it is unknown. */
function moneyFigure(
  basis: Basis,
): (key: string, label: string, value: Range | undefined, from?: Figure['provenance']) => Figure[] {
  return (key, label, value, from = 'derived') =>
    value === undefined
      ? []
      : [
          {
            key,
            label,
            value,
            unit: basis.currency,
            provenance: basis.currencyProvenance === 'assumed' ? 'assumed' : from,
          },
        ];
}

function electricityFigures(basis: Basis, cost: CostParts, rented: boolean): Figure[] {
  const money = moneyFigure(basis);
  const from = basis.price.provenance;
  const { computeElectricity: compute, dataElectricity: data } = cost;
  if (!rented)
    return money('electricityCost', 'Electricity (beside C)', sumOf(compute, data), from);
  return [
    ...money('electricityInsideRentCost', 'Electricity (inside rent)', compute, from),
    ...(data.high === 0 ? [] : money('electricityCost', 'Electricity of data', data, from)),
  ];
}

function shareFigure(cost: CostParts, rented: boolean): Figure[] {
  if (!rented || cost.hardware === undefined || cost.hardware.low === 0) return [];
  return [
    {
      key: 'electricityShareOfRentPercent',
      label: "Electricity's share of rent",
      value: scaled(shareOf(cost.computeElectricity, cost.hardware), 100),
      unit: '%',
      provenance: 'modelled',
      note: 'the landlord pays it; it is never added to the rent',
    },
  ];
}

function missingParts(basis: Basis, energy: EnergyParts, cost: CostParts): string {
  const parts = [
    cost.people === undefined ? 'people' : [],
    cost.hardware === undefined ? 'hardware' : [],
    cost.labelling === undefined ? 'labelling' : [],
  ].flat();
  const needsHours = basis.plan.hardware !== undefined && cost.hardware === undefined;
  const why = needsHours && energy.gpuHours === undefined ? ' (a phase names no GPU-hours)' : '';
  return parts.length === 0
    ? ''
    : `C leaves out what the plan does not give: ${parts.join(', ')}${why}.`;
}

function deploymentSection(basis: Basis, energy: EnergyParts, cost: CostParts): Section[] {
  if (basis.plan.deployment === undefined) return [];
  const money = moneyFigure(basis);
  const parts = [cost.deploymentElectricity, cost.deploymentCloud, cost.deploymentOperation];
  const known = parts.filter((part) => part !== undefined);
  const figures: Figure[] = [
    ...count('requestCount', 'Requests', energy.requests, '1'),
    ...count('deploymentKilowattHours', 'Energy of serving', energy.deployment, 'kWh'),
    ...money('deploymentElectricityCost', 'Electricity', cost.deploymentElectricity),
    ...money('deploymentCloudCost', 'Cloud', cost.deploymentCloud),
    ...money('deploymentOperationCost', 'Operation', cost.deploymentOperation),
    ...money('deploymentCost', 'Deployment', known.length === 0 ? undefined : sumOf(...known)),
    ...count('requestsToEqualTraining', 'Requests that equal training', evenRequests(energy), '1'),
  ];
  return [{ key: 'deployment', title: 'Deployment', figures }];
}

function evenRequests(energy: EnergyParts): Range | undefined {
  if (energy.deployment === undefined || energy.requests === undefined) return undefined;
  if (energy.deployment.low === 0) return undefined;
  return quotientOf(energy.compute, shareOf(energy.deployment, energy.requests));
}

function count(key: string, label: string, value: Range | undefined, unit: string): Figure[] {
  return value === undefined ? [] : [{ key, label, value, unit, provenance: 'derived' }];
}
