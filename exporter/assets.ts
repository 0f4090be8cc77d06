// The dashboard's files, read once into memory at start: a request picks from this list and never names a path.

import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

/** One file of the dashboard. */
export interface Asset {
  readonly contentType: string;
  readonly body: Buffer;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

const UPLOT_FILES = ['uPlot.iife.min.js', 'uPlot.min.css'];

async function readAssets(directory: string, names: readonly string[]): Promise<[string, Asset][]> {
  const read = names.map(async (name): Promise<[string, Asset]> => {
    const contentType = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
    return [name, { contentType, body: await readFile(join(directory, name)) }];
  });
  return Promise.all(read);
}

// In the page, links that depend on an option; both are free of characters that HTML would need escaped.
const fillIn = (page: Asset, telemetryPath: string): Asset => ({
  ...page,
  body: Buffer.from(
    page.body.toString('utf8').replaceAll('{{telemetry-path}}', `.${telemetryPath}`),
  ),
});

/** Name → file: the built dashboard and the chart library that it uses. */
export async function loadAssets(
  directory: string,
  telemetryPath: string,
): Promise<ReadonlyMap<string, Asset>> {
  const names = (await readdir(directory)).filter((name) => extname(name) in CONTENT_TYPES);
  const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist');
  const assets = new Map([
    ...(await readAssets(directory, names)),
    ...(await readAssets(uplot, UPLOT_FILES)),
  ]);
  const page = assets.get('index.html');
  if (page !== undefined) assets.set('index.html', fillIn(page, telemetryPath));
  return assets;
}
