// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import * as z from 'zod';
import { proxyLimits, requestFlows } from '../core/proxy/config.ts';
import { pathRedaction } from '../core/redact.ts';
import { PerigeeError, messageOf } from '../lib/errors.ts';
import { otlpSettings } from './otlp-settings.ts';

const level = z.enum(['trace', 'debug', 'info', 'warn', 'error']);

/**
 * The agent's own settings. One file, flags over it. None is reloaded while the agent runs, but the log level,
 * which `perigee set-log-level` changes live; a restart of the agent leaves traffic alone.
 */
function checkTemplate(template: string, context: z.RefinementCtx): void {
  try {
    pathRedaction([template]);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
  }
}

export const settingsSchema = z.strictObject({
  source: z
    .enum(['files', 'kubernetes'])
    .default('files')
    .describe('Where resources come from: files: the folder `config`; kubernetes: the API server'),
  config: z.string().default('/etc/perigee/resources').describe('Folder of the resources, YAML'),
  kubeconfig: z
    .string()
    .default('')
    .describe('Access to the API server; empty: the service account of the pod'),
  nodeName: z.string().default('').describe("The cluster's name for this node; empty: the host name"),
  mesh: z
    .enum(['enabled', 'disabled'])
    .default('enabled')
    .describe(
      'Whether pods are governed that say nothing, nor their namespace, by the label perigee.dev/mesh',
    ),
  pending: z
    .enum(['Refuse', 'Allow'])
    .default('Allow')
    .describe(
      'What becomes of connections of a pod that the agent has not met yet; Allow: they pass, are counted, and are closed if policy forbids them: docs/design/pending-pods.md',
    ),
  networkPolicy: z
    .enum(['on', 'off'])
    .default('on')
    .describe('Whether the NetworkPolicies of the cluster are enforced; off: the network plug-in does it'),
  services: z
    .enum(['enabled', 'disabled'])
    .default('enabled')
    .describe(
      'Whether addresses of Services become those of their backends before policy is asked; disabled: kube-proxy, or what is in its place, does it alone, and rules of a client see the address of the Service: docs/design/services.md',
    ),
  cgroup: z
    .string()
    .default('')
    .describe('cgroup2 folder to govern, or what it is mounted in; empty: the root of the mount'),
  pinRoot: z.string().default('/sys/fs/bpf/perigee').describe('Folder of the pins in bpffs'),
  runDirectory: z.string().default('/run/perigee').describe('Folder of the sockets and the proxy state'),
  objects: z.string().default('').describe('Folder of the eBPF objects; empty: beside the program'),
  metricsAddress: z
    .string()
    .default('127.0.0.1:9975')
    .describe('HTTP /metrics, /healthz, /readyz; "off": none'),
  proxy: z
    .enum(['spawn', 'external', 'off'])
    .default('spawn')
    .describe('spawn: started by the agent, outlives it; external: a unit of its own; off: none'),
  inline: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe('auto: HTTP policy is decided in the kernel where it can be; off: always by the proxy'),
  boost: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe(
      'auto: messages within this node pass TCP by between workloads that ask for it, where it is safe; off: never',
    ),
  proxyWorkers: z.int().min(1).max(64).default(1).describe('Worker threads of a spawned proxy'),
  requestFlows,
  dnsNames: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe(
      'Whether flows name addresses as workloads were told by DNS; auto: while policy selects the ingress of some network namespace of the node, when datagrams are looked at anyway; on: always, which costs each TCP segment a look: docs/design/flows.md; off: never',
    ),
  openFlowsSeconds: z
    .int()
    .min(0)
    .max(86400)
    .default(60)
    .describe(
      'Connections that stay open for longer get a flow each time so many seconds have passed, with bytes, round-trip time and retransmits so far; 0: never',
    ),
  flowStoreBytes: z.int().min(1048576).default(4194304).describe('Memory for flows, bytes'),
  denialStoreBytes: z.int().min(262144).default(1048576).describe('Memory for denials, bytes'),
  flowExport: z
    .strictObject({
      file: z.string().default('').describe('JSON lines as Hubble exports them; empty: none'),
      maxBytes: z.int().min(65536).default(10485760).describe('Size at which the file is put aside, bytes'),
      backups: z.int().min(0).max(100).default(5).describe('Files put aside that are kept, .1 is the newest'),
      allow: z
        .array(z.record(z.string(), z.unknown()))
        .default([])
        .describe(
          "Hubble's FlowFilters, as `hubble observe --print-raw-filters` prints them; none: every flow",
        ),
      deny: z
        .array(z.record(z.string(), z.unknown()))
        .default([])
        .describe('Likewise, of flows to leave out'),
    })
    .prefault({})
    .describe('Flows as a file'),
  redact: z
    .strictObject({
      paths: z
        .array(z.string().superRefine(checkTemplate))
        .default([])
        .describe(
          'Templates such as /reset/{token}: the name in the place of that element in all that the agent tells; {name...}: of all that are left, *: any element, kept',
        ),
    })
    .prefault({})
    .describe('What flows hide beside queries and header values, which are never recorded'),
  otlp: otlpSettings.prefault({}).describe('OpenTelemetry: docs/design/opentelemetry.md'),
  socketGroup: z.int().min(0).optional().describe('Group id that may use the agent socket, too'),
  logLevel: level.default('info').describe('Changeable live'),
  limits: proxyLimits.prefault({}).describe('Limits of the proxy'),
});

export type Settings = z.infer<typeof settingsSchema>;

/** A command-line flag over a setting. */
export interface SettingFlag {
  readonly setting: keyof Settings;
  readonly flag: string;
  readonly argument: string;
  readonly description: string;
}

const flag = (setting: keyof Settings, name: string, argument: string): SettingFlag => ({
  setting,
  flag: `--${name}`,
  argument,
  description: settingsSchema.shape[setting].description ?? '',
});

export const settingFlags: readonly SettingFlag[] = [
  flag('source', 'source', 'SOURCE'),
  flag('config', 'config', 'DIR'),
  flag('kubeconfig', 'kubeconfig', 'FILE'),
  flag('nodeName', 'node-name', 'NAME'),
  flag('mesh', 'mesh', 'MODE'),
  flag('pending', 'pending', 'MODE'),
  flag('networkPolicy', 'network-policy', 'MODE'),
  flag('services', 'services', 'MODE'),
  flag('cgroup', 'cgroup', 'DIR'),
  flag('pinRoot', 'pin-root', 'DIR'),
  flag('runDirectory', 'run-directory', 'DIR'),
  flag('objects', 'objects', 'DIR'),
  flag('metricsAddress', 'metrics-address', 'ADDRESS:PORT'),
  flag('proxy', 'proxy', 'MODE'),
  flag('inline', 'inline', 'MODE'),
  flag('boost', 'boost', 'MODE'),
  flag('proxyWorkers', 'proxy-workers', 'N'),
  flag('requestFlows', 'request-flows', 'WHICH'),
  flag('dnsNames', 'dns-names', 'MODE'),
  flag('openFlowsSeconds', 'open-flows-seconds', 'SECONDS'),
  flag('flowStoreBytes', 'flow-store-bytes', 'BYTES'),
  flag('denialStoreBytes', 'denial-store-bytes', 'BYTES'),
  flag('socketGroup', 'socket-group', 'GID'),
  flag('logLevel', 'log-level', 'LEVEL'),
];

export const DEFAULT_SETTINGS_FILE = '/etc/perigee/settings.yaml';

/** @param flags by setting name; text as typed @param file its absence is an error only when it was named */
export function loadSettings(
  flags: Readonly<Partial<Record<keyof Settings, string>>>,
  file?: string,
): Settings {
  const fromFile = readSettingsFile(file ?? DEFAULT_SETTINGS_FILE, file !== undefined);
  const typed = Object.entries(flags).map(([name, text]) => [name, numeric(name, text)]);
  const result = settingsSchema.safeParse({ ...fromFile, ...Object.fromEntries(typed) });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new PerigeeError('ERR_SETTINGS_INVALID', `setting ${where}: ${issue?.message ?? 'invalid'}`, {
    object: file ?? DEFAULT_SETTINGS_FILE,
    hint: 'see docs/reference/settings.md',
  });
}

const numericSettings = new Set<string>([
  'proxyWorkers',
  'openFlowsSeconds',
  'flowStoreBytes',
  'denialStoreBytes',
  'socketGroup',
]);

function numeric(name: string, text: string | undefined): string | number | undefined {
  return text !== undefined && numericSettings.has(name) && /^\d+$/.test(text) ? Number(text) : text;
}

function readSettingsFile(path: string, required: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!required) return {};
    throw new PerigeeError('ERR_SETTINGS_UNREADABLE', `the settings file ${path} can't be read`, {
      object: path,
      cause,
    });
  }
  const parsed = yamlOf(text, path);
  if (parsed === null || parsed === undefined) return {};
  if (typeof parsed === 'object' && !Array.isArray(parsed)) return { ...parsed };
  throw new PerigeeError('ERR_SETTINGS_INVALID', `the settings file ${path} holds no mapping`, {
    object: path,
  });
}

function yamlOf(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    const [problem = ''] = messageOf(cause).split('\n', 1);
    throw new PerigeeError('ERR_SETTINGS_INVALID', `the settings file ${path} is no YAML: ${problem}`, {
      object: path,
      cause,
    });
  }
}
