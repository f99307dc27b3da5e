// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type PathRedaction, pathRedaction } from '../../src/core/redact.ts';

function redaction(...templates: readonly string[]): PathRedaction {
  const redact = pathRedaction(templates);
  assert.ok(redact !== undefined);
  return redact;
}

describe('paths as they are shown', () => {
  const redact = redaction('/reset/{token}', '/users/*/keys/{key}', '/files/{path...}');

  for (const [sent, shown] of [
    ['/reset/s3cret', '/reset/{token}'],
    ['/reset/s3cret/confirm', '/reset/{token}/confirm'],
    ['/reset', '/reset'],
    ['/resets/7', '/resets/7'],
    ['/users/7/keys/s3cret', '/users/7/keys/{key}'],
    ['/users/7/names/s3cret', '/users/7/names/s3cret'],
    ['/files/a/b/c', '/files/{path...}'],
    ['/%72eset/s3cret', '/%72eset/{token}'],
    ['//reset///s3cret', '//reset///{token}'],
    ['/./reset/./s3cret', '/./reset/./{token}'],
    ['/a/../reset/s3cret', '/a/../reset/{token}'],
    ['/reset;v=1/s3cret', '/reset;v=1/{token}'],
    ['/reset%2Fs3cret', '/reset%2F{token}'],
    ['/%zzreset/x', '/%zzreset/x'],
    ['*', '*'],
    ['', ''],
    ['shop:443', 'shop:443'],
  ] as const)
    test(`${JSON.stringify(sent)} is ${JSON.stringify(shown)}`, () => assert.equal(redact(sent), shown));

  test('what a server makes of dots hides no less than the path as it stands', () => {
    assert.doesNotMatch(redact('/reset/s3cret/../other'), /s3cret/);
    assert.doesNotMatch(redact('/x/../reset/s3cret'), /s3cret/);
  });

  test('an element behind a template’s beginning never shows, whatever comes before it', () => {
    const noise = fc.array(fc.constantFrom('/', '/.', '//', '/a/..', '/%2e', '/b/%2e%2e'), { maxLength: 4 });
    fc.assert(
      fc.property(noise, noise, fc.stringMatching(/^[a-z0-9-]{8,20}$/), (before, between, secret) => {
        const path = `${before.join('')}/reset${between.join('')}/${secret}`;
        assert.ok(!redact(path).includes(secret), path);
      }),
    );
  });

  for (const template of ['reset/{token}', '/a{b}', '/{a...}/b', '/{}', '/a?b={c}', '/', ''])
    test(`${JSON.stringify(template)} is no template`, () =>
      assert.throws(() => pathRedaction([template]), { code: 'ERR_TEMPLATE_INVALID' }));
});
