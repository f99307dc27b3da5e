// SPDX-License-Identifier: Apache-2.0
// A client that asks the same thing again and again over one connection, and says how each request went.
// usage: customer.ts URL INTERVAL_MS
import { Agent, get } from 'node:http';

const [, , url = '', interval = '1000'] = process.argv;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** 0: no answer. */
function ask(): Promise<number> {
  return new Promise((resolve) => {
    const request = get(url, { agent, timeout: 5000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', () => resolve(0));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(0));
  });
}

process.once('SIGTERM', () => process.exit());
process.stdout.on('error', () => process.exit());
while (true) {
  const started = performance.now();
  const status = await ask();
  const answer = { at: Date.now(), status, ms: Math.round((performance.now() - started) * 10) / 10 };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  await new Promise((resolve) => setTimeout(resolve, Number(interval)));
}
