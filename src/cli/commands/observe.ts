// SPDX-License-Identifier: Apache-2.0
import { Command, type Option } from 'commander';
import { PerigeeError } from '../../lib/errors.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addOutputOptions, addConnectionOptions, examples, list, repeated } from '../options.ts';
import { endFlags, flowFlags, type HubbleFlag, sideFlags } from '../observe/hubble-flags.ts';
import type { ObserveFlags } from '../observe/run.ts';

function addWhich(command: Command): void {
  command.optionsGroup('Which flows:');
  command
    .option(
      '--last <n>',
      'the newest n that match (default: 20, unless a time, a reference or a file is given)',
    )
    .option('--first <n>', 'the oldest n that match')
    .option('--all', 'all that match')
    .option('-f, --follow', 'go on with new flows; alone, it shows only those')
    .option('--since <time>', 'from then on: 5m, 1h30m, or a date')
    .option('--until <time>', 'up to then')
    .option('--input <file>', 'flows that were saved with -o jsonpb, or exported; -: standard input');
}

function addEnds(command: Command): void {
  command.optionsGroup('Who (several values are alternatives, different flags are ANDed):');
  command
    .option(
      '-n, --namespace <name>',
      'either end is in the namespace, unless --from, --to or a flag of workloads or namespaces says who; completes ' +
        'names without one',
    )
    .option('-A, --all-namespaces', "of a cluster: not the context's namespace alone")
    .option('--from <who>', 'source: namespace/name, name, address, CIDR, World, Node', list)
    .option('--to <who>', 'destination, likewise', list)
    .option('--workload <who>', 'either end, likewise', list);
}

function addWhat(command: Command): void {
  command.optionsGroup('What:');
  command
    .option('--verdict <verdict>', "allowed, denied, audited, error; Hubble's names, too", list)
    .option('--protocol <protocol>', 'tcp, udp, http', list)
    .option('--method <method>', 'HTTP method', list)
    .option('--path <path>', 'path of the request, exactly, without query', repeated)
    .option('--path-prefix <path>', 'path by whole elements: /orders has /orders/7, not /ordersx', repeated)
    .option('--path-regex <regex>', 'whole path, RE2 syntax', repeated)
    .option('--status <status>', 'HTTP status: 403, 40+, 4xx', list)
    .option('--kind <kind>', 'verdict (of a connection), close, request, opaque, open (still)', list)
    .option('--direction <direction>', 'the side that decided: egress, ingress', list)
    .option('--via <path>', 'direct, inline, proxied', list)
    .option('--policy <name>', 'a policy that decided: namespace/name or name', list)
    .option('--reason <reason>', 'a reason of docs/reference/reasons.md', list)
    .option('--trace <id>', 'W3C trace id that the client sent, 32 hex digits', list)
    .option(
      '--reference <id>',
      'the reference that a refused client was shown; ends with 1 if there is none',
      list,
    );
}

/** A flag for each filter of a table: its values may contain commas. */
function addTable(command: Command, table: Readonly<Record<string, HubbleFlag>>, prefix = '', of = ''): void {
  for (const [name, { argument, selects }] of Object.entries(table))
    command.option(
      `${name === 'label' && prefix === '' ? '-l, ' : ''}--${prefix}${name} ${argument}`,
      `${of}${selects}`,
      name === 'port' ? list : repeated,
    );
}

function addHubble(command: Command): void {
  command.optionsGroup("As Hubble's client has them (docs/reference/flow-filters.md):");
  addTable(command, endFlags, '', 'either end: ');
  const { service: _, ...ofSources } = endFlags; // nobody connects from the address of a Service
  addTable(command, { ...ofSources, ...sideFlags }, 'from-', 'source: ');
  addTable(command, { ...endFlags, ...sideFlags }, 'to-', 'destination: ');
  addTable(command, flowFlags);
}

/** Has each of the filters mean something else where `--not` stands before it. Call the result when all was read. */
function addNot(command: Command, filters: readonly Option[]): () => void {
  const excluded: Record<string, unknown> = {};
  let isNext = false;
  let undo: (() => void) | undefined;
  for (const option of filters.filter(({ required }) => required)) {
    const { parseArg = (text: string) => text } = option;
    const key = option.attributeName();
    option.argParser((text: string, before: unknown) => {
      if (!isNext) return parseArg(text, before);
      isNext = false;
      undo = () => command.setOptionValue(key, before);
      excluded[key] = parseArg(text, excluded[key]);
      command.setOptionValue('not', excluded);
      return before;
    });
    // Commander makes an empty text of a value that there isn't.
    command.on(`option:${option.name()}`, () => {
      undo?.();
      undo = undefined;
    });
  }
  command.option('--not', 'the filter behind it is of flows to leave out; several are ANDed');
  command.on('option:not', () => {
    isNext = true;
  });
  return () => {
    if (isNext)
      throw new PerigeeError('ERR_USAGE', '--not is the last flag', { hint: 'It stands before a filter' });
  };
}

export function observeCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('observe').description(
    'Shows flows: connections as they open and close, and HTTP requests, each with its verdict and the rule that ' +
      'decided. Filters run in the agent.',
  );
  addWhich(command);
  const { length } = command.options;
  addEnds(command);
  addWhat(command);
  addHubble(command);
  const checkNot = addNot(command, command.options.slice(length));
  addOutputOptions(command, ['table', 'wide', 'json', 'jsonpb', 'yaml']);
  command.option(
    '--why',
    'below each flow, the deciding rule down to its line, the rules considered, what to do',
  );
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    examples([
      ['perigee observe -f --verdict denied', 'Watch what is refused'],
      ['perigee observe --reference 1f3a5c7e9b2d4f60 --why', 'A client was refused with a reference: why?'],
      ['perigee observe --to shop/api --status 5xx --since 10m', 'Failing requests of the last ten minutes'],
      ['perigee observe --input flows.json --verdict denied', 'Look into flows that were exported'],
      [
        'kubectl perigee observe -f --to deploy/checkout',
        'What reaches the pods of a Deployment, on whichever nodes',
      ],
      ['perigee observe -f -o jsonpb', "Feed tools that read Hubble's JSON"],
    ]),
  );
  return command.action(async (flags: ObserveFlags) => {
    checkNot();
    const { observe } = await import('../observe/run.ts');
    finish(await observe(flags, context));
  });
}
