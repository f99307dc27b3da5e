// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { LAYOUT_VERSION } from '../core/state/layout-version.ts';

/** Where the datapath lives in bpffs: `/sys/fs/bpf/perigee/v{N}/{maps,links,programs}`. */
export interface PinLayout {
  readonly root: string;
  readonly version: string;
  readonly maps: string;
  readonly links: string;
  /** Programs of the build in force, for the next agent of that build. */
  readonly programs: string;
}

export function pinLayout(root: string, number = LAYOUT_VERSION): PinLayout {
  const version = join(root, `v${String(number)}`);
  return {
    root,
    version,
    maps: join(version, 'maps'),
    links: join(version, 'links'),
    programs: join(version, 'programs'),
  };
}

export const hookObjects = [
  'connect',
  'sendmsg',
  'sockname',
  'socket',
  'sockops',
  'inline',
  'packet',
] as const;

/**
 * Why a hook that every packet or connection pays for is attached at all (needs.ts says when). `datagrams`: some
 * namespace's ingress is selected. `inline`: some HTTP policy is decided in the kernel. `proxied`: some connection goes
 * to the proxy, so its ends see other addresses than they asked for. `services`: addresses of Services are resolved, and
 * their clients see those. `names`: answers of DNS are read wherever there are workloads.
 */
export type HookNeed = 'datagrams' | 'names' | 'inline' | 'proxied' | 'services';

/** A cgroup hook: its object file, its program. The link's pin carries the program's name. */
export interface Hook {
  readonly object: (typeof hookObjects)[number];
  readonly program: string;
  /** Attached only while the state in force has one of these needs; absent: always. */
  readonly needs?: readonly HookNeed[];
}

/** In the order of attaching: what refuses comes last, when everything it leans on is there. */
export const hooks: readonly Hook[] = [
  { object: 'sockname', program: 'getpeername4', needs: ['proxied', 'services'] },
  { object: 'sockname', program: 'getpeername6', needs: ['proxied', 'services'] },
  { object: 'sockname', program: 'getsockname4', needs: ['proxied'] },
  { object: 'sockname', program: 'getsockname6', needs: ['proxied'] },
  { object: 'sockname', program: 'recvmsg4', needs: ['services'] },
  { object: 'sockname', program: 'recvmsg6', needs: ['services'] },
  { object: 'sockops', program: 'tcp_lifecycle' },
  { object: 'socket', program: 'sock_create' },
  { object: 'socket', program: 'setsockopt' },
  { object: 'sendmsg', program: 'sendmsg4' },
  { object: 'sendmsg', program: 'sendmsg6' },
  { object: 'inline', program: 'inline_egress', needs: ['inline'] },
  { object: 'inline', program: 'inline_ingress', needs: ['inline'] },
  { object: 'packet', program: 'packet_ingress', needs: ['datagrams', 'names'] },
  { object: 'connect', program: 'connect4' },
  { object: 'connect', program: 'connect6' },
];

/** Whether the hook is attached for this need, among others. */
export function serves({ needs = [] }: Hook, need: HookNeed): boolean {
  return needs.includes(need);
}

export function hooksFor(need: HookNeed): Hook[] {
  return hooks.filter((hook) => serves(hook, need));
}

/** The hook that is loaded once per namespace. */
export const lookupHook = { object: 'lookup', program: 'lookup' } as const;

export function hookLink(layout: PinLayout, hook: Hook): string {
  return join(layout.links, hook.program);
}

export function lookupLink(layout: PinLayout, netnsCookie: bigint): string {
  return join(layout.links, `lookup-${String(netnsCookie)}`);
}
