// SPDX-License-Identifier: Apache-2.0
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import type { CommandResult } from './lab.ts';

const environment = process.env;
const home =
  environment['PERIGEE_CLUSTER_HOME'] ??
  join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'perigee/kubernetes');

/** As `make cluster-up` writes it. */
export const kubeconfig = join(home, 'run/admin.kubeconfig');
export const nodes = ['node1', 'node2'] as const;
/** Of this machine, where the control plane is, as nodes reach it: `tools/cluster/environment.sh`. */
export const hostAddress = '10.201.0.1';
/** Clients and a server, in every node. */
export const toolsImage = 'perigee.test/tools:1';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const scripts = join(repository, 'tools/cluster');

function run(program: string, args: readonly string[], input?: string): CommandResult {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...environment, KUBECONFIG: kubeconfig },
    cwd: repository,
    timeout: 180_000,
    maxBuffer: 1 << 26,
    ...(input === undefined ? {} : { input }),
  });
  if (result.error !== undefined) throw result.error;
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

function mustRun(program: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr } = run(program, args, input);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** Its programs, such as kubectl. */
export const clusterBin = join(home, 'bin');
const bin = (name: string): string => join(clusterBin, name);

/** Throws what it says if it fails. */
export function kubectl(...args: readonly string[]): string {
  return mustRun(bin('kubectl'), args);
}

export function tryKubectl(args: readonly string[], input?: string): CommandResult {
  return run(bin('kubectl'), args, input);
}

export function helm(...args: readonly string[]): string {
  return mustRun(bin('helm'), args);
}

/** While the test goes on. Resolves with what it prints, rejects with what it says if it fails. */
export async function start(program: 'helm' | 'kubectl', ...args: readonly string[]): Promise<string> {
  const env = { ...environment, KUBECONFIG: kubeconfig };
  const { stdout } = await promisify(execFile)(bin(program), args, { env, cwd: repository });
  return stdout;
}

export function tryHelm(...args: readonly string[]): CommandResult {
  return run(bin('helm'), args);
}

/** Applies objects on the server's side. */
export function apply(...objects: readonly object[]): string {
  const text = objects.map((object) => stringify(object)).join('---\n');
  return mustRun(bin('kubectl'), ['apply', '--server-side', '--force-conflicts', '-f', '-'], text);
}

export function tryApply(object: object): CommandResult {
  return run(bin('kubectl'), ['apply', '--server-side', '--validate=strict', '-f', '-'], stringify(object));
}

/** Starts or stops a part of the control plane, such as `kube-apiserver`. */
export function controlPlane(action: 'start' | 'stop', part: string): void {
  execFileSync('sh', [join(scripts, 'control-plane.sh'), action, part], { stdio: 'pipe' });
}

/** Of a command in the namespaces of a node. */
export function nodeCommand(node: string, command: readonly string[]): readonly string[] {
  return ['sh', join(scripts, 'node.sh'), 'exec', node, ...command];
}

export function onNode(node: string, ...command: readonly string[]): CommandResult {
  const [program = '', ...rest] = nodeCommand(node, command);
  return run(program, rest);
}

/** Its processes end, its memory is lost and with it bpffs; then it starts from its disk. */
export function rebootNode(node: string): void {
  // Its first process keeps what it is given as output.
  execFileSync('sh', [join(scripts, 'node.sh'), 'reboot', node], { stdio: 'ignore' });
}

/** Has every node know an image. */
export function loadImage(archive: string): void {
  for (const node of nodes) mustRun('sh', [join(scripts, 'node.sh'), 'load', node, archive]);
}

/** The chart of our definitions, and that the API server serves them. */
export function installDefinitions(): void {
  helm(
    'upgrade',
    '--install',
    'perigee-crds',
    'charts/perigee-crds',
    '-n',
    'perigee-system',
    '--create-namespace',
  );
  const definitions = ['crd/accesspolicies.perigee.dev', 'crd/clusteraccesspolicies.perigee.dev'];
  kubectl('wait', '--for=condition=Established', '--timeout=30s', ...definitions);
}

/** A namespace of the cluster for one test file; what an earlier run left of it is removed. */
export function freshNamespace(name: string, labels: Readonly<Record<string, string>> = {}): void {
  kubectl('delete', 'namespace', name, '--ignore-not-found', '--wait', '--timeout=120s');
  apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  // A controller makes it, and pods without it are refused.
  kubectl('-n', name, 'wait', '--for=create', '--timeout=60s', 'serviceaccount/default');
}

export interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Arguments of agnhost; default: a pod that waits. */
  readonly args?: readonly string[];
  readonly container?: object;
  readonly spec?: object;
}

/** A pod of the tools image on a node; its service account is the default one, its end is quick. */
export function pod({ namespace, name, node, labels, args, container, spec }: PodOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: name, ...labels } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: toolsImage,
          imagePullPolicy: 'Never',
          args: args ?? ['pause'],
          ...container,
        },
      ],
      ...spec,
    },
  };
}

/** A pod that answers every path on port 8080. */
export function server(options: PodOptions): object {
  const container = {
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1 },
    ...options.container,
  };
  return pod({ ...options, args: ['netexec', '--http-port=8080'], container });
}

export function ready(namespace: string, ...names: readonly string[]): void {
  kubectl(
    '-n',
    namespace,
    'wait',
    '--for=condition=Ready',
    '--timeout=90s',
    ...names.map((name) => `pod/${name}`),
  );
}

export function addressOf(namespace: string, name: string): string {
  return kubectl('-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}');
}

/** How often the container of a pod was started anew. */
export function restarts(namespace: string, name: string): number {
  const path = 'jsonpath={.status.containerStatuses[0].restartCount}';
  return Number(kubectl('-n', namespace, 'get', 'pod', name, '-o', path));
}

/** What a pod's client got. */
export interface Fetched {
  /** 0: no answer. */
  readonly status: number;
  /** Of a refusal, if it has one. */
  readonly reference?: string;
}

/** A GET request by a pod, over one connection; with further header lines, if there are any. */
export function get(
  namespace: string,
  name: string,
  address: string,
  path: string,
  ...headers: readonly string[]
): Fetched {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: test', 'Connection: close', ...headers, '', ''];
  const request = lines.join('\\r\\n');
  const client = `printf '${request}' | busybox timeout 10 nc ${address.replace(':', ' ')}`;
  const { stdout } = tryKubectl(['-n', namespace, 'exec', name, '--', 'sh', '-c', client]);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(stdout)?.[1] ?? 0);
  const reference = /^perigee-reference: (\w+)/m.exec(stdout)?.[1];
  return { status, ...(reference === undefined ? {} : { reference }) };
}
