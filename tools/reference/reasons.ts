// SPDX-License-Identifier: Apache-2.0
import { dropReasonNumbers, dropReasonOf } from '../../src/api/drop-reasons.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { type ReasonName, reasons } from '../../src/core/reasons.ts';
import { markdownTable, page } from './markdown.ts';

export function reasonsPage(): string {
  const names = (Object.keys(reason) as ReasonName[]).filter((name) => name !== 'none');
  const rows = names.map((name) => {
    const hubble = dropReasonOf(name);
    const number = dropReasonNumbers[hubble];
    return [
      `\`${name}\``,
      String(reason[name]),
      reasons[name].summary,
      reasons[name].action,
      number === 0 ? '' : `\`${hubble}\` (${number})`,
    ];
  });
  return page('Reasons', 'bpf/abi/reason.h and src/core/reasons.ts', [
    'Why traffic was refused or closed, as flows (`perigee observe --reason NAME`) and `perigee_drops_total{reason}` ' +
      'name it. Names and numbers never change their meaning. The last column is what Hubble’s clients are shown.',
    'A program sees a refused connection as a `connect()` that fails at once with `EPERM`, and a refused datagram as a ' +
      '`sendmsg()` that fails with `EPERM`. A refused HTTP request gets an answer with a status and, where policy ' +
      'refused it, a reference that `perigee observe --reference ID --why` explains.',
    markdownTable(['Reason', 'Number', 'What happened', 'What to do', 'Hubble'], rows),
  ]);
}
