// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import { findTraceParent } from '../../src/proxy/trace-parent.ts';
import { KernelReader } from '../support/kernel-reader.ts';
import { allow, get } from '../support/request-cases.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

/** What the proxy's reader says of the same head. */
function read(text: string): string | undefined {
  const at = findTraceParent(Buffer.from(text, 'latin1'), 0, text.length);
  return at === -1 ? undefined : text.slice(at + 3, at + 55).replaceAll('-', '');
}

describe('the trace context as the kernel reads it', () => {
  let kernel: KernelReader;
  before(() => {
    kernel = new KernelReader();
  });
  after(() => {
    kernel[Symbol.dispose]();
  });

  const { bytes } = compile(allow({}), { limits: INLINE_LIMITS });
  const traceOf = (text: string, cuts: readonly number[] = [], table: Uint8Array = bytes): string | undefined => {
    kernel.begin(table);
    return kernel.feedCut(text, cuts).trace;
  };

  const valid = `00-${ID}-${PARENT}-01`;
  const wanted = `${ID}${PARENT}01`;

  test('is there, whatever the case of its name and the space around it, and is of one head alone', () => {
    for (const line of [`traceparent: ${valid}`, `TraceParent:${valid}`, `TRACEPARENT: \t ${valid} \t`])
      assert.equal(traceOf(get('/', 'a: b', line, 'c: d')), wanted, line);
    kernel.begin(bytes);
    assert.equal(kernel.feed(get('/', `traceparent: ${valid}`)).trace, wanted);
    assert.equal(kernel.feed(get('/')).trace, undefined);
  });

  test('is read where a rule reads the same header, too', () => {
    const headers = [{ name: 'traceparent', type: 'RegularExpression', value: '00-.*' }] as const;
    const table = compile([{ rule: 1, action: 'Allow', matches: [{ headers }] }], { limits: INLINE_LIMITS });
    assert.equal(traceOf(get('/', `traceparent: ${valid}`), [], table.bytes), wanted);
  });

  test('is what the proxy makes of the same head, valid or not, cut anywhere', () => {
    const seen = { some: 0, none: 0 };
    const digits = (length: number): fc.Arbitrary<string> =>
      fc.oneof(
        fc.stringMatching(new RegExp(`^[0-9a-f]{${String(length)}}$`)),
        fc.constantFrom('0'.repeat(length), 'F'.repeat(length), `${'0'.repeat(length - 1)}1`, '`'.repeat(length)),
        fc.constantFrom(`:${'a'.repeat(length - 1)}`, `${'a'.repeat(length - 1)}\xe1`, 'a'.repeat(length - 1)),
      );
    const value = fc
      .tuple(fc.constantFrom('00', '00', '01', 'ff', 'cc', '0g'), digits(32), digits(16), fc.constantFrom('01', '00', 'ff', '0'))
      .chain(([version, id, parent, flags]) =>
        fc
          .constantFrom('', '', ' ', '\t \t', '-more', '-', 'x', '-0123456789abcdef', '    x')
          .map((end) => `${version}-${id}-${parent}-${flags}${end}`),
      );
    const line = fc.oneof(
      { weight: 3, arbitrary: value.map((text) => `traceparent: ${text}`) },
      { weight: 1, arbitrary: fc.constantFrom('traceparen: x', 'traceparent_: x', 'tracestate: a=b', `traceparent: ${valid}`) },
      { weight: 1, arbitrary: fc.nat(1500).map((length) => `x-long: ${'y'.repeat(length)}`) },
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 3 }), fc.array(fc.nat(2000), { maxLength: 4 }), (lines, places) => {
        const text = get('/', ...lines);
        if (text.length > 2900) return;
        const cuts = [...new Set(places)].filter((cut) => cut > 0 && cut < text.length).sort((a, b) => a - b);
        const expected = read(text);
        assert.equal(traceOf(text, cuts), expected, `${JSON.stringify(text)} cut at ${String(cuts)}`);
        seen[expected === undefined ? 'none' : 'some'] += 1;
      }),
      { numRuns: 4000 },
    );
    for (const [kind, count] of Object.entries(seen)) assert.ok(count > 100, `${kind}: ${String(count)}`);
  });

  test('cut at each byte of its line and of all', () => {
    const text = get('/', 'a: b', `traceparent: ${valid}`, 'c: d');
    const all = Array.from({ length: text.length - 1 }, (_, index) => index + 1);
    for (const cut of all) assert.equal(traceOf(text, [cut]), wanted, String(cut));
    assert.equal(traceOf(text, all), wanted);
  });
});
