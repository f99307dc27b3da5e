// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { type LabHost, type Lab, linesOf, until } from './lab.ts';
import { holdingClient } from './programs.ts';

/** A connection that a program in a machine holds open. */
export class Held {
  readonly #child: ChildProcess;
  readonly #lines: readonly string[];

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = linesOf(child);
  }

  static async open(
    scene: { readonly lab: Lab; inside(command: readonly string[]): string[] },
    from: LabHost,
    to: readonly [address: string, port: number, protocol?: 'tcp' | 'udp', localPort?: number],
  ): Promise<Held> {
    const [address, port, protocol = 'tcp', ...rest] = to;
    const command = ['python3', '-c', holdingClient, address, port, protocol, ...rest].map(String);
    const child = scene.lab.start(from, scene.inside(command), { stdio: ['pipe', 'pipe', 'inherit'] });
    const held = new Held(child);
    await until(`a connection to ${address}:${String(port)}`, () => held.#lines.length > 0);
    return held;
  }

  /** 'open', or why not. */
  get opened(): string {
    return this.#lines[0] ?? '';
  }

  /** Sends a line and resolves with what came back, or with how the connection ended. */
  async ping(): Promise<string> {
    const count = this.#lines.length;
    this.#child.stdin?.write('\n');
    await until('an echo, or the end', () => this.#lines.length > count);
    return this.#lines[count] ?? '';
  }

  /** Resolves with how the connection ended: 'end' or the name of an error. */
  async ended(): Promise<string> {
    await until('the connection to end', () => this.#lines.length > 1 && this.#child.exitCode !== null);
    return this.#lines.at(-1) ?? '';
  }

  close(): void {
    this.#child.stdin?.end();
  }
}
