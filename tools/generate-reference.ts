// SPDX-License-Identifier: Apache-2.0
// Writes docs/reference from the definitions of alerts, commands, budgets, filters, metrics, reasons, resources and settings.
// usage: generate-reference.ts [--check]    --check writes nothing and ends with 1 if a page is not up to date
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { alertsPage } from './reference/alerts.ts';
import { automatonPage } from './reference/automaton.ts';
import { commandLinePage } from './reference/command-line.ts';
import { flowFiltersPage } from './reference/flow-filters.ts';
import { kernelsPage } from './reference/kernels.ts';
import { metricsPage } from './reference/metrics.ts';
import { reasonsPage } from './reference/reasons.ts';
import { resourcesPage } from './reference/resources.ts';
import { settingsPage } from './reference/settings.ts';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'docs/reference');

const pages: Readonly<Record<string, string>> = {
  'alerts.md': alertsPage(),
  'automaton.md': automatonPage(),
  'command-line.md': await commandLinePage(),
  'flow-filters.md': flowFiltersPage(),
  'kernels.md': kernelsPage(),
  'metrics.md': metricsPage(),
  'reasons.md': reasonsPage(),
  'resources.md': resourcesPage(),
  'settings.md': settingsPage(),
};

function current(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const isChecking = process.argv.includes('--check');
const config = await resolveConfig(join(root, 'package.json'));
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const path = join(folder, name);
  const wanted = await format(text, { ...config, parser: 'markdown' });
  if (current(path) === wanted) continue;
  if (isChecking) {
    console.error(`docs/reference/${name} is not up to date: run node tools/generate-reference.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, wanted);
    console.log(`wrote docs/reference/${name}`);
  }
}
