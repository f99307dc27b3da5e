// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { bundle } from '../bundle.ts';

/** What the guest's programs start, besides Node.js. Their libraries come with them. */
const programs = ['ip', 'nsenter', 'ss', 'python3', 'sh'];
/** For namespaces on a bridge, for looking at sockets and for ending them. */
const modules = ['veth', 'bridge', 'tcp_diag', 'udp_diag'];

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
}

/** A folder of links to what shall lie in the guest; the archive follows them, so nothing is copied twice. */
class Tree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root, { recursive: true });
  }

  /** A file or folder of this machine at a path of the guest. */
  link(from: string, to: string = from): void {
    const path = join(this.root, to);
    if (existsSync(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(resolve(from), path);
  }

  folder(path: string): void {
    mkdirSync(join(this.root, path), { recursive: true });
  }

  /** An initramfs in the kernel's format. */
  archive(path: string): void {
    const script = 'cd "$1" && find -L . | cpio --quiet -o -L -H newc -R 0:0 >"$2"';
    run('sh', '-c', script, 'sh', this.root, resolve(path));
  }
}

/** Debian's own, whatever PATH puts before it. */
function packaged(name: string): string {
  const found = ['/usr/bin', '/usr/sbin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is not installed: run 'make deps'`);
  return found;
}

function linkWithLibraries(tree: Tree, program: string, to: string = program): void {
  tree.link(program, to);
  for (const [library] of run('ldd', program).matchAll(/\/\S+\.so\S*/g)) tree.link(library);
}

function linkPython(tree: Tree): void {
  const stdlib = run(
    packaged('python3'),
    '-I',
    '-c',
    'import sysconfig; print(sysconfig.get_path("stdlib"))',
  ).trim();
  const needless = /^(config-|dist-packages|test|idlelib|lib2to3|tkinter|ensurepip|pydoc_data)/;
  for (const name of globSync('*', { cwd: stdlib })) {
    if (!needless.test(name)) tree.link(join(stdlib, name));
  }
}

/** The project as a checkout has it, with its TypeScript bundled: what a kernel loads is what `make build` made. */
async function layProject(tree: Tree, entries: readonly string[]): Promise<void> {
  const project = join(tree.root, 'perigee');
  await bundle([...entries], 'test', join(project, 'test'));
  await bundle(['src/cli/main.ts'], 'src', join(project, 'src'));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}\n');
  const addon = 'build/native/Release/perigee.node';
  linkWithLibraries(tree, addon, join('perigee', addon));
  for (const object of globSync('build/bpf/*.bpf.o')) tree.link(object, join('perigee', object));
}

/** Writes what all kernels share to `path`. `entries` are programs below test/. */
export async function makeRoot(path: string, work: string, entries: readonly string[]): Promise<void> {
  const tree = new Tree(work);
  for (const folder of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'var']) tree.folder(folder);
  copyFileSync('test/kernels/init.sh', join(tree.root, 'init'));
  chmodSync(join(tree.root, 'init'), 0o755);
  tree.link('/bin/busybox');
  for (const name of programs) {
    linkWithLibraries(tree, packaged(name), join('/usr/bin', name));
  }
  tree.link('/bin/sh');
  linkPython(tree);
  linkWithLibraries(tree, 'node_modules/node/bin/node', '/usr/bin/node');
  await layProject(tree, entries);
  tree.archive(path);
}

/** Writes the modules of one kernel to `path`, unpacked, with the order in which they are to be loaded. */
export function makeModules(path: string, work: string, kernel: string): void {
  const tree = new Tree(work);
  const version = basename(globSync(join(kernel, 'lib/modules/*'))[0] ?? '');
  const listed = modules.flatMap((name) =>
    run('modprobe', '-d', resolve(kernel), '-S', version, '--show-depends', name).split('\n'),
  );
  const files = new Set(
    listed.map((line) => /^insmod (\S+)/.exec(line)?.[1]).filter((file) => file !== undefined),
  );
  tree.folder('modules');
  const order: string[] = [];
  for (const file of files) {
    const name = basename(file, '.xz');
    const to = join(tree.root, 'modules', name);
    if (file.endsWith('.xz')) run('sh', '-c', 'xz -dc "$1" >"$2"', 'sh', file, to);
    else copyFileSync(file, to);
    order.push(name);
  }
  writeFileSync(join(tree.root, 'modules/order'), `${order.join('\n')}\n`);
  tree.archive(path);
}

/** Several archives, one behind the other, are one to the kernel. */
export function concatenate(archives: readonly string[], path: string): void {
  writeFileSync(path, '');
  for (const archive of archives) appendFileSync(path, readFileSync(archive));
}
