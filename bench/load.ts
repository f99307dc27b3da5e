// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type BulkCase, bulkFileBytes, type Case, type RequestCase } from './cases.ts';
import { busySeconds, residentMib } from './machine-use.ts';
import type { BenchPath } from './path.ts';

/** One turn of one path. */
export interface Sample {
  /** Requests a second, or Gbit a second in a bulk case. */
  readonly rate: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly cpuSecondsPer100k?: number;
  readonly rssMib: number;
}

interface WrkReport {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly status: number;
  readonly timeout: number;
}

const script = fileURLToPath(new URL('load.lua', import.meta.url));

/**
 * Loads a path for some seconds. Anything but success of every request is an error: a path that refuses or drops is
 * not slow, it is broken.
 */
export async function measure(
  path: BenchPath,
  load: Case,
  seconds: number,
  signal: AbortSignal,
): Promise<Sample> {
  return load.type === 'bulk' ? download(path, load, seconds, signal) : request(path, load, seconds, signal);
}

async function request(
  path: BenchPath,
  load: RequestCase,
  seconds: number,
  signal: AbortSignal,
): Promise<Sample> {
  const headers = load.headers(path.authority).flatMap((header) => ['-H', header]);
  const flags = [
    '-t1',
    `-c${load.connections}`,
    `-d${seconds}s`,
    '--timeout',
    '5s',
    '-s',
    script,
    ...headers,
    `http://${path.authority}${load.path}`,
    ...(load.isVaried === true ? ['--', 'varied'] : []),
  ];
  const before = busySeconds();
  const output = await collect(path.start(['wrk', ...flags]), signal);
  const cpuSeconds = busySeconds() - before;
  const json = /^report (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`${path.name}: wrk gave no report:\n${output}`);
  const report = JSON.parse(json) as WrkReport;
  const { connect, read, write, status, timeout } = report;
  const failures = JSON.stringify({ connect, read, write, status, timeout });
  if (connect + read + write + status + timeout > 0) {
    throw new Error(`${path.name}, ${load.name}: beside ${report.requests} requests, failures: ${failures}`);
  }
  if (report.requests === 0) throw new Error(`${path.name}, ${load.name}: no answer in ${seconds} s`);
  return {
    rate: (report.requests * 1e6) / report.durationUs,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
    cpuSecondsPer100k: (cpuSeconds * 1e5) / report.requests,
    rssMib: residentMib(path.middle()),
  };
}

/** How many downloads fill a turn, by path: known after the first. */
const calibrationDownloads = 4;

async function download(
  path: BenchPath,
  load: BulkCase,
  seconds: number,
  signal: AbortSignal,
): Promise<Sample> {
  const first = await fetchFile(path, load, calibrationDownloads, signal);
  const left = Math.floor((seconds - first.seconds) / (first.seconds / calibrationDownloads));
  const rest = left > 0 ? await fetchFile(path, load, left, signal) : first;
  return { rate: (rest.bytes * 8) / rest.seconds / 1e9, rssMib: residentMib(path.middle()) };
}

async function fetchFile(
  path: BenchPath,
  load: BulkCase,
  times: number,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly seconds: number }> {
  // The range in brackets makes curl ask again and again over one connection.
  const url = `http://${path.authority}${load.path}?[1-${times}]`;
  const format = '%{http_code} %{size_download} %{time_total}\\n';
  const output = await collect(path.start(['curl', '-s', '-o', '/dev/null', '-w', format, url]), signal);
  const transfers = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const broken = transfers.find(([status, bytes]) => status !== 200 || bytes !== bulkFileBytes);
  if (transfers.length !== times || broken !== undefined) {
    throw new Error(`${path.name}, ${load.name}: a download failed:\n${output}`);
  }
  return {
    bytes: times * bulkFileBytes,
    seconds: transfers.reduce((sum, [, , took = 0]) => sum + took, 0),
  };
}

/** Standard output of a process that must succeed. */
export async function collect(child: ChildProcess, signal: AbortSignal): Promise<string> {
  const kill = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', kill, { once: true });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('exit', resolve);
      child.once('error', reject);
    });
    if (child.stdout === null || child.stderr === null) throw new Error('the process has no pipes');
    const [code, output, complaint] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(`${child.spawnargs.join(' ')} ended with ${String(code)}: ${output}${complaint}`);
    return output;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
