// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Hubble's own command line client. */
export const hubbleProgram = join(import.meta.dirname, '../../build/test-go/hubble');

/** What `-o json` prints, as far as the tests read it. */
export interface Line {
  readonly flow?: {
    readonly uuid: string;
    readonly verdict: string;
    readonly drop_reason_desc?: string;
    readonly source: { readonly pod_name?: string };
    readonly destination: { readonly namespace?: string };
    readonly l4: {
      readonly TCP?: { readonly source_port: number };
      readonly UDP?: { readonly source_port: number };
    };
    readonly l7?: { readonly http: { readonly url: string; readonly code?: number } };
    readonly Summary?: string;
  };
  readonly lost_events?: { readonly source: string; readonly num_events_lost: string };
  readonly agent_event?: { readonly type: string };
}

/** Asynchronous: the server is in this process. */
export async function runHubble(
  socketPath: string,
  ...args: readonly string[]
): Promise<{ out: string; err: string; code: number | null }> {
  assert.ok(existsSync(hubbleProgram), `${hubbleProgram} is missing: make ${hubbleProgram}`);
  const child = spawn(hubbleProgram, [...args, '--server', `unix://${socketPath}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (chunks.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (chunks.err += text));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { ...chunks, code };
}

/** What `hubble observe` shows, of all flows that are stored unless told. */
export async function hubbleFlows(socketPath: string, ...args: readonly string[]): Promise<Line[]> {
  const which = args.includes('--last') || args.includes('--first') ? [] : ['--all'];
  const { out, err, code } = await runHubble(socketPath, 'observe', '-o', 'json', ...which, ...args);
  assert.equal(code, 0, err);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** The source ports, by which tests tell flows apart; -1: something else. */
export function portsOf(lines: readonly Line[]): number[] {
  return lines.map(({ flow }) => (flow?.l4.TCP ?? flow?.l4.UDP)?.source_port ?? -1);
}
