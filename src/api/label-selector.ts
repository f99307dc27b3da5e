// SPDX-License-Identifier: Apache-2.0
import type { LabelRequirement } from '../core/flow-filter.ts';
import { PerigeeError } from '../lib/errors.ts';

const KEY = String.raw`(?:reserved:)?[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?`;
const setBased = new RegExp(`^(${KEY})\\s+(in|notin)\\s+\\(([^()]*)\\)$`);
const equality = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)$`);
const existence = new RegExp(`^(!?)\\s*(${KEY})$`);

/** Commas that are not in parentheses. */
const SEPARATOR = /,(?![^()]*\))/;

function requirement(text: string): LabelRequirement | undefined {
  const inSet = setBased.exec(text);
  if (inSet !== null) {
    const [, key = '', word, list = ''] = inSet;
    const values = list.split(',').map((value) => value.trim());
    return { key, operator: word === 'in' ? 'In' : 'NotIn', values };
  }
  const equal = equality.exec(text);
  if (equal !== null) {
    const [, key = '', sign, value = ''] = equal;
    return { key, operator: sign === '!=' ? 'NotIn' : 'In', values: [value] };
  }
  const exists = existence.exec(text);
  if (exists === null) return undefined;
  const [, not, key = ''] = exists;
  return { key, operator: not === '!' ? 'DoesNotExist' : 'Exists', values: [] };
}

/**
 * Parses Kubernetes' selector syntax: `app=web,tier in (front, back),!legacy`. The label sources that Hubble's
 * users write before keys (`k8s:`, `any:`) are dropped; `reserved:world` is a label of its own.
 */
export function parseLabelSelector(text: string): readonly LabelRequirement[] {
  return text.split(SEPARATOR).map((part) => {
    const parsed = requirement(part.trim().replace(/^(!?)(?:k8s|any):/, '$1'));
    if (parsed !== undefined) return parsed;
    throw new PerigeeError('ERR_FILTER_INVALID', `not a label selector: ${JSON.stringify(text)}`, {
      hint: 'Write it as app=web, app!=web, tier in (front,back), app or !app; commas mean and',
    });
  });
}
