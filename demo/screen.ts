// SPDX-License-Identifier: Apache-2.0

/** What the demo prints, in plain text; colours only where somebody sees them. */
export class Screen {
  readonly #colors: boolean;
  #step = 0;

  constructor(colors: boolean) {
    this.#colors = colors;
  }

  title(text: string): void {
    console.log(`\n${this.#paint('1', text)}`);
  }

  /** A new step of the story. */
  step(title: string, what: string): void {
    this.#step += 1;
    console.log(`\n${this.#paint('1;36', `${this.#step}. ${title}`)}\n${what}\n`);
  }

  say(text: string): void {
    console.log(text);
  }

  /** A command as it can be typed. */
  command(text: string): void {
    console.log(this.#paint('33', `$ ${text}`));
  }

  /** What a command printed. */
  output(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`  ${line}`);
  }

  verdict(isExpected: boolean, text: string): void {
    console.log(
      `  ${isExpected ? this.#paint('32', '✓') : this.#paint('1;31', '✗ NOT AS EXPECTED')} ${text}`,
    );
  }

  added(text: string): void {
    console.log(`  ${this.#paint('32', `+ ${text}`)}`);
  }

  removed(text: string): void {
    console.log(`  ${this.#paint('31', `- ${text}`)}`);
  }

  good(text: string): string {
    return this.#paint('32', text);
  }

  bad(text: string): string {
    return this.#paint('1;31', text);
  }

  strong(text: string): string {
    return this.#paint('1', text);
  }

  #paint(code: string, text: string): string {
    return this.#colors ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

export function wantsColors(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
