// SPDX-License-Identifier: Apache-2.0
import { isMap, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';

export const REDACTED = 'REDACTED';

const privateKey = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/g;
/** `password: x`, `"api_key":"x"`, `TOKEN=x`: what stands behind a name that says secret. */
const named =
  /([\w-]*(?:password|passwd|secret|token|api[-_]?key|private[-_]?key|credentials?)["']?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|[^\s"',}&]+)/gi;
/** Headers that carry credentials, to the end of the line or of the quoted text. */
const header = /((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*["']?)[^\n"'}]+/gi;
const bearer = /\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi;
const jwt = /\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*/g;
const userinfo = /(:\/\/)[^/\s:@"']+:[^/\s@"']+@/g;

/** Text without what looks like a secret. It knows the usual forms and no others: a person should look, too. */
export function redactText(text: string): string {
  return text
    .replace(privateKey, `${REDACTED} $1`)
    .replace(header, `$1$2${REDACTED}`)
    .replace(bearer, `$1 ${REDACTED}`)
    .replace(jwt, REDACTED)
    .replace(userinfo, `$1${REDACTED}@`)
    .replace(named, `$1${REDACTED}`);
}

/** A path whose long elements, which may be keys of their own, are left out. */
export function redactPath(text: string): string {
  return text.replace(/(?<![/:])\/[^/?\s")]{16,}/g, '/…');
}

/** Resources with their comments, without the values of headers that rules match. Throws on what is no YAML. */
export function redactResources(text: string): string {
  const documents = parseAllDocuments(text);
  const cleaned = ('empty' in documents ? [] : documents).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    visit(document, {
      Pair: (_, pair) => {
        if (!isScalar(pair.key) || pair.key.value !== 'headers' || !isSeq(pair.value)) return;
        for (const item of pair.value.items)
          if (isMap(item) && item.has('value')) item.set('value', REDACTED);
      },
    });
    return document.toString({ lineWidth: 0 });
  });
  return redactText(cleaned.join('---\n'));
}
