// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { cgroup2Root, until } from '../test/support/lab.ts';

/**
 * A cgroup of its own for what Perigee governs: its hooks are attached here, not at the root, so the bare path and the
 * peers run without them, at the same time and on the same machine.
 */
export class GovernedCgroup {
  readonly path: string;

  constructor(name: string) {
    this.path = `${cgroup2Root()}/${name}`;
    mkdirSync(this.path, { recursive: true });
  }

  /** The command, to be run in this cgroup. It enters before `ip netns exec` hides the cgroup mount. */
  wrap(command: readonly string[]): readonly string[] {
    return ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.path, ...command];
  }

  /** Removes it, once the last process has left. */
  async remove(): Promise<void> {
    await until(`the end of every process in ${this.path}`, () => {
      if (!existsSync(this.path)) return true;
      try {
        rmdirSync(this.path);
        return true;
      } catch {
        return false;
      }
    });
  }
}
