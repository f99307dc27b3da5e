// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentProcess } from '../test/support/agent-process.ts';
import type { Screen } from './screen.ts';
import { Shop } from './shop.ts';
import { Verdicts } from './verdicts.ts';

const policies = fileURLToPath(new URL('../examples/shop/', import.meta.url));

/** What every step of the story works with. */
export class Stage {
  readonly screen: Screen;
  readonly shop: Shop;
  readonly agent: AgentProcess;
  readonly verdicts = new Verdicts();
  /** A copy of examples/shop that the story may edit. */
  readonly config: string;

  constructor(screen: Screen) {
    this.screen = screen;
    this.shop = new Shop();
    this.config = mkdtempSync(join(tmpdir(), 'perigee-demo-'));
    cpSync(policies, this.config, { recursive: true });
    this.agent = new AgentProcess({ name: 'perigee-demo', config: this.config });
  }

  /** A command of the CLI as a person types it in this checkout. */
  typed(command: readonly string[]): string {
    const words = command.map((word) => (/^[\w./:,=@-]+$/.test(word) ? word : `'${word}'`));
    return ['bin/perigee', ...words, '--socket', this.agent.socket].join(' ');
  }

  /** Runs a command of the CLI, showing it and what it prints. */
  async cli(command: readonly string[]): Promise<{ readonly status: number | null; readonly text: string }> {
    this.screen.command(this.typed(command));
    const { status, stdout, stderr } = await this.agent.cli(command);
    const text = `${stdout}${stderr}`;
    this.screen.output(text);
    return { status, text };
  }

  /** Records a verdict and shows it at once. */
  expect(when: string, what: string, expected: string, seen: string): void {
    const kept = this.verdicts.record({ when, what, expected, seen });
    this.screen.verdict(kept, kept ? `${what}: ${seen}` : `${what}: expected ${expected}, saw ${seen}`);
  }

  /** Takes everything off the host again; as much as can be, whatever fails. */
  async clear(): Promise<void> {
    const results = await Promise.allSettled([this.agent.cleanup(), this.shop.close()]);
    rmSync(this.config, { recursive: true, force: true });
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}
