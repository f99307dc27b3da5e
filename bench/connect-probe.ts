// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cgroup2Root } from '../test/support/lab.ts';

/** Says when `connect()` of a datagram socket begins or ceases to be refused, ms since 1970. Nothing is sent. */
const program = `
import socket, sys, time
before = None
while True:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect((sys.argv[1], int(sys.argv[2])))
        now = 'allowed'
    except PermissionError:
        now = 'refused'
    s.close()
    if now != before: print(now, time.time() * 1000, flush=True)
    before = now
    time.sleep(0.001)
`;

/** A process of a pod that tries a destination again and again. */
export class ConnectProbe {
  readonly #child: ChildProcess;
  #state: string | undefined;
  #waiting: { readonly state: string; readonly resolve: (at: number) => void } | undefined;

  /** @param uid of a pod of this machine; @param destination address and port */
  constructor(uid: string, destination: readonly [string, number]) {
    const { pid, cgroup } = processOf(uid);
    const enter = `echo $$ > ${cgroup}/cgroup.procs && exec nsenter --net=/proc/${String(pid)}/ns/net "$@"`;
    const command = ['python3', '-c', program, destination[0], String(destination[1])];
    this.#child = spawn('sh', ['-c', enter, 'sh', ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('the probe has no output');
    createInterface(this.#child.stdout).on('line', (line) => this.#heard(line));
  }

  /** When the state began, ms since 1970; undefined: it is so already. */
  async becomes(state: 'allowed' | 'refused', signal: AbortSignal): Promise<number | undefined> {
    if (this.#state === state) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiting = { state, resolve };
      signal.addEventListener('abort', () => reject(new Error(`it was not ${state} in time`)), {
        once: true,
      });
    });
  }

  end(): void {
    this.#child.kill();
  }

  #heard(line: string): void {
    const [state = '', at = ''] = line.split(' ');
    this.#state = state;
    if (this.#waiting?.state !== state) return;
    this.#waiting.resolve(Number(at));
    this.#waiting = undefined;
  }
}

/** A process of the pod in a namespace of its own, and the folder of its cgroup. */
function processOf(uid: string): { readonly pid: number; readonly cgroup: string } {
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const path = unifiedPath(name);
    if (path?.includes(uid) === true) return { pid: Number(name), cgroup: join(cgroup2Root(), path) };
  }
  throw new Error(`no process of pod ${uid} is there`);
}

function unifiedPath(pid: string): string | undefined {
  try {
    return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
  } catch {
    return undefined; // ended meanwhile
  }
}
