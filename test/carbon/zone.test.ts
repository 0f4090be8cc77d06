import { readFileSync } from 'node:fs';

import { electricityMaps } from '@tgwf/co2/data';
import { describe, expect, test } from 'vitest';

import { CLOUD_REGIONS } from '../../agent/carbon/cloud-regions.ts';
import { co2jsGrid, yearsAvailable } from '../../agent/carbon/co2js.ts';
import { countryOf } from '../../agent/carbon/country.ts';
import { GOOGLE_GRAMS_PER_KILOWATT_HOUR } from '../../agent/carbon/google-regions.ts';
import { cloudRegionOf, gridOfZone } from '../../agent/carbon/zone.ts';
import { instant } from '../../agent/units.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';

const NOW = instant(1_800_000_000);
const wordOf = ({ provider, name }: { provider: string; name: string }): string =>
  `${provider}:${name}`;

describe('the regions of the clouds', () => {
  test('lie in countries of ISO 3166-1 that the data set has an intensity of', () => {
    for (const region of CLOUD_REGIONS) {
      expect(countryOf(region.country)?.alpha3, wordOf(region)).toBe(region.country);
      expect(co2jsGrid({ zone: region.country }).intensity.valueAt(NOW)).toBeGreaterThan(0);
    }
  });

  test('lie in grid zones of their own country that Electricity Maps has in every year', () => {
    for (const region of CLOUD_REGIONS.filter(({ gridZone }) => gridZone !== undefined)) {
      const { gridZone = '', country } = region;
      expect(gridZone.split('-')[0], wordOf(region)).toBe(countryOf(country)?.alpha2);
      for (const year of yearsAvailable()) {
        const value = electricityMaps[`yearly${year}`]?.data[gridZone]?.carbonIntensity.value;
        expect(value, `${gridZone} ${year}`).toBeGreaterThan(0);
      }
    }
  });

  test('have one row a name', () => {
    expect(new Set(CLOUD_REGIONS.map(wordOf)).size).toBe(CLOUD_REGIONS.length);
  });

  test.skipIf(!corpusPresent)(
    "of Google have Google's own figures, each of them and no other",
    () => {
      const rows = readFileSync(corpusPath('published', 'gcp-region-carbon-2024.csv'), 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','));
      expect(Object.fromEntries(rows.map(([name, , , grams]) => [name, Number(grams)]))).toEqual(
        GOOGLE_GRAMS_PER_KILOWATT_HOUR,
      );
      const places = CLOUD_REGIONS.filter(({ provider }) => provider === 'gcp');
      // The file writes São Paulo with another letter.
      expect(places.map(({ name, place }) => [name, place.replace('ã', 'ā')])).toEqual(
        rows.map(([name, place]) => [name, place]),
      );
    },
  );
});

describe('gridOfZone()', () => {
  test.each([
    ['aws:us-east-1', 'USA', 'N. Virginia'],
    ['AWS:EU-Central-1', 'DEU', 'Frankfurt'],
    ['azure:westeurope', 'NLD', 'Netherlands'],
    ['azure:northeurope', 'IRL', 'Ireland'],
    ['oci:uk-cardiff-1', 'GBR', 'Newport'],
    ['aws:ap-northeast-3', 'JPN', 'Osaka'],
    ['azure:eastasia', 'HKG', 'Hong Kong'],
  ])('takes %s for a region of %s, at the average of the country', (text, country, place) => {
    const grid = gridOfZone({ zone: text });
    const average = co2jsGrid({ zone: country });
    expect(grid).toMatchObject({ zone: country, region: { country, place } });
    expect(grid.dataset).toBe(average.dataset);
    expect(grid.intensity.valueAt(NOW)).toBe(average.intensity.valueAt(NOW));
  });

  test("prefers the region's own figure and says whose, of which year, and what is not in it", () => {
    const grid = gridOfZone({ zone: 'gcp:europe-west4' });
    expect(grid).toMatchObject({
      zone: 'NLD',
      dataset: 'Google region-carbon-info',
      vintage: 'average of 2024, operational emissions (no life cycle)',
      region: { provider: 'gcp', name: 'europe-west4', place: 'Eemshaven', country: 'NLD' },
    });
    expect(grid.intensity.valueAt(NOW)).toBe(208.81);
    expect(gridOfZone({ zone: 'gcp:europe-west4', atYear: 2024 })).toEqual({
      ...grid,
      intensity: expect.anything(),
    });
  });

  test('has other years of the grid zone behind the region', () => {
    const grid = gridOfZone({ zone: 'aws:us-east-1', atYear: 2023 });
    const pjm = co2jsGrid({ zone: 'US-MIDA-PJM', atYear: 2023 });
    expect(grid).toMatchObject({ zone: 'US-MIDA-PJM', vintage: 'yearly average of 2023' });
    expect(grid.intensity.valueAt(NOW)).toBe(pjm.intensity.valueAt(NOW));
    const [first] = yearsAvailable();
    const dutch = gridOfZone({ zone: 'gcp:europe-west4', ...(first && { atYear: first }) });
    expect(dutch.dataset).toContain('Electricity Maps');
  });

  test('leaves countries and grid zones as they are', () => {
    expect(gridOfZone({ zone: 'DEU' })).toMatchObject({ zone: 'DEU' });
    expect(gridOfZone({ zone: 'DEU' })).not.toHaveProperty('region');
    expect(cloudRegionOf('DEU')).toBeUndefined();
  });

  test.each([
    [
      'aws:us-est-1',
      "Cloud region 'aws:us-est-1': no such region of aws is known. Perhaps aws:us-east-1, aws:us-west-1, aws:us-east-2, aws:us-west-2 is meant.",
    ],
    [
      'aws:europe-west4',
      "Cloud region 'aws:europe-west4': no such region of aws is known. Perhaps gcp:europe-west4 is meant.",
    ],
    [
      'gcp:mars-north1',
      "Cloud region 'gcp:mars-north1': no such region of gcp is known. Give its country, such as USA or DEU, or your own series with --grid FILE.",
    ],
    [
      'ibm:us-south',
      "Cloud region 'ibm:us-south': 'ibm' is none of the clouds that are known (aws, azure, gcp, oci). Give its country, such as USA or DEU, or your own series with --grid FILE.",
    ],
    [
      'westeurope',
      "Grid zone 'westeurope': it is a region of a cloud without its cloud. Write azure:westeurope.",
    ],
    ['aws:', "Cloud region 'aws:': no such region of aws is known. Give its country"],
    ['a:b:c', "Grid zone 'a:b:c': @tgwf/co2"],
  ])('refuses %s in one line that names what is near', (text, message) => {
    expect(() => gridOfZone({ zone: text })).toThrow(message);
  });
});
