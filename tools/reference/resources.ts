// SPDX-License-Identifier: Apache-2.0
import { resourceKinds } from '../../src/core/resources/kinds.ts';
import { markdownTable, page } from './markdown.ts';
import { fieldsOf } from './schema.ts';

export function resourcesPage(): string {
  const sections = resourceKinds.flatMap(({ kind, apiVersion, description, schema }) => {
    const fields = fieldsOf(schema).filter(({ path }) => path !== 'apiVersion' && path !== 'kind');
    const rows = fields.map(({ path, type, isRequired, description: text }) => [
      `\`${path}\``,
      type,
      isRequired ? 'yes' : '',
      text,
    ]);
    return [
      `## ${kind}`,
      description,
      `\`\`\`yaml\napiVersion: ${apiVersion}\nkind: ${kind}\n\`\`\``,
      markdownTable(['Field', 'Type', 'Required', 'Meaning'], rows),
    ];
  });
  return page('Resources', 'src/core/resources', [
    'What a folder given to `perigee agent --config` may hold, one or more documents a file. A file with a mistake ' +
      'changes nothing: the mistake is reported with file, line and field, and the last good state stays in force.',
    ...sections,
  ]);
}
