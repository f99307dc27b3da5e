// SPDX-License-Identifier: Apache-2.0
import { apply, kubectl, pod } from './cluster.ts';
import { until } from './lab.ts';

const AT_ONCE = 20;

export interface EagerPodsOptions {
  readonly namespace: string;
  readonly node: string;
  /** Of a server on port 8080. */
  readonly target: string;
}

/** Pods whose first act is to connect. */
export class EagerPods {
  readonly #options: EagerPodsOptions;
  #made = 0;

  constructor(options: EagerPodsOptions) {
    this.#options = options;
  }

  /** Opens a connection and keeps it; says `closed` when it ends. */
  holder(name: string, app: string): object {
    const hold = `sleep 1000 | (nc ${this.#options.target} 8080; echo closed)`;
    return this.#running(name, { app }, hold);
  }

  /** A pod that runs a command of the shell. */
  #running(
    name: string,
    labels: Readonly<Record<string, string>>,
    command: string,
    more: object = {},
  ): object {
    const { namespace, node } = this.#options;
    return pod({
      namespace,
      name,
      node,
      labels,
      container: { command: ['/bin/sh', '-c', command] },
      spec: more,
    });
  }

  /** Says by its exit code whether it got an answer. */
  eager(name: string, app: string): object {
    return this.#running(name, { app }, this.#ask(), { restartPolicy: 'Never' });
  }

  /** Tries until it gets an answer, and then waits. */
  stubborn(name: string, more: object = {}, labels: Readonly<Record<string, string>> = {}): object {
    const command = `until ${this.#ask()}; do sleep 0.2; done; echo through; sleep 1000`;
    return this.#running(name, labels, command, more);
  }

  /** Exit codes of those that have ended. */
  exits(app: string): number[] {
    const path = 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}';
    const text = kubectl('-n', this.#options.namespace, 'get', 'pods', '-l', `app=${app}`, '-o', path);
    const words = text.split(' ').filter((word) => word !== '');
    return words.map(Number);
  }

  /** Makes so many eager pods, some at once. @returns how many of them got an answer */
  async answered(app: string, creations: number): Promise<number> {
    let got = 0;
    for (let left = creations; left > 0; left -= AT_ONCE) {
      const count = Math.min(AT_ONCE, left);
      apply(...Array.from({ length: count }, () => this.eager(`${app}-${String(this.#made++)}`, app)));
      await until('the end of all', () => this.exits(app).length === count, 120_000);
      got += this.exits(app).filter((code) => code === 0).length;
      const gone = ['delete', 'pods', '-l', `app=${app}`, '--grace-period=0', '--force'];
      kubectl('-n', this.#options.namespace, ...gone);
    }
    return got;
  }

  /** busybox's wget looks up names even of addresses, which static programs can't. */
  #ask(): string {
    return `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${this.#options.target} 8080 | busybox grep -q '200 OK'`;
  }
}
