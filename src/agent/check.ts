// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import type { CheckResult } from '../api/ports.ts';
import { hasFeature } from '../datapath/features.ts';
import { type Native, loadNative } from '../datapath/native.ts';
import { findCgroup2 } from './host.ts';

interface Need {
  readonly name: string;
  readonly required: boolean;
  readonly gives: string;
  readonly hint: string;
  /** What was found, or false when it is missing. */
  readonly probe: (native: Native) => string | false;
}

const found = (ok: boolean, detail: string): string | false => (ok ? detail : false);

function packetNetns(native: Native): string | false {
  if (hasFeature(native, 'PACKET_NETNS')) return 'bpf_get_netns_cookie';
  return found(native.probe.helper('cgroup_skb', 'probe_read_kernel'), 'read from the socket');
}

/** Kernel features in the order in which a connection meets them. Behaviour is tried, versions are not compared. */
const needs: readonly Need[] = [
  {
    name: 'root-capabilities',
    required: true,
    gives: 'loading programs, sockets in other namespaces',
    hint: 'run as root, or grant CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN',
    probe: (native) => {
      const held = native.probe.capabilities();
      const missing = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'].filter((name) => !held.includes(name));
      return found(missing.length === 0, 'BPF, NET_ADMIN, SYS_ADMIN');
    },
  },
  {
    name: 'btf',
    required: true,
    gives: 'programs that fit this kernel (CO-RE)',
    hint: 'boot a kernel built with CONFIG_DEBUG_INFO_BTF=y',
    probe: () => found(existsSync('/sys/kernel/btf/vmlinux'), '/sys/kernel/btf/vmlinux'),
  },
  {
    name: 'cgroup2',
    required: true,
    gives: 'hooks on the socket calls of every process',
    hint: 'mount it: mount -t cgroup2 none /sys/fs/cgroup/unified',
    probe: () => findCgroup2() ?? false,
  },
  {
    name: 'bpffs',
    required: true,
    gives: 'policy that goes on when the agent stops',
    hint: 'mount it: mount -t bpf bpf /sys/fs/bpf',
    probe: () => found(existsSync('/sys/fs/bpf'), '/sys/fs/bpf'),
  },
  {
    name: 'connect-hooks',
    required: true,
    gives: 'verdict and steering at connect()',
    hint: 'a kernel of 6.1 or later with CONFIG_CGROUP_BPF=y',
    probe: (native) => found(native.probe.programType('cgroup_sock_addr'), 'cgroup_sock_addr'),
  },
  {
    name: 'socket-lookup',
    required: true,
    gives: 'verdict and steering of what arrives',
    hint: 'a kernel of 6.1 or later',
    probe: (native) => found(native.probe.programType('sk_lookup'), 'sk_lookup'),
  },
  {
    name: 'socket-storage',
    required: true,
    gives: 'original destinations that no pod can forge',
    hint: 'a kernel of 6.1 or later',
    probe: (native) => found(native.probe.mapType('sk_storage'), 'sk_storage'),
  },
  {
    name: 'ring-buffer',
    required: true,
    gives: 'flow records',
    hint: 'a kernel of 6.1 or later',
    probe: (native) => found(native.probe.mapType('ringbuf'), 'ringbuf'),
  },
  {
    name: 'packet-netns',
    required: true,
    gives: 'verdict on datagrams that arrive',
    hint: 'a kernel of 6.16 or later, or CAP_PERFMON and no lockdown: older ones read it from the socket',
    probe: packetNetns,
  },
  {
    name: 'inline',
    required: false,
    gives: 'HTTP policy decided in the kernel, on the packets of the server',
    hint: 'a kernel of 6.2 or later; until then HTTP policy goes to the proxy, which costs throughput',
    probe: (native) => found(hasFeature(native, 'PACKET_STATE'), 'bpf_cast_to_kern_ctx'),
  },
  {
    name: 'boost',
    required: false,
    gives: 'messages past TCP between workloads of this node that ask for it',
    hint: 'a kernel of 6.5 or later; until then they take TCP',
    probe: (native) => found(hasFeature(native, 'KERNEL_READS'), 'bpf_rdonly_cast, bpf_sock_destroy'),
  },
  {
    name: 'close-connections',
    required: false,
    gives: 'closing open connections that a new policy forbids',
    hint: 'a kernel of 6.5 or later, or with CONFIG_INET_DIAG_DESTROY=y; until then they live on to their end',
    probe: (native) =>
      native.probe.kfunc('bpf_sock_destroy')
        ? 'bpf_sock_destroy'
        : found(native.probe.sockDestroy(), 'SOCK_DESTROY'),
  },
];

/** What `runChecks` looks for. */
export const capabilities: readonly Pick<Need, 'name' | 'required' | 'gives'>[] = needs.map(
  ({ name, required, gives }) => ({ name, required, gives }),
);

/** Tries what this machine can do. Needs no agent. */
export async function runChecks(native: Native = loadNative()): Promise<readonly CheckResult[]> {
  const results = needs.map((need): CheckResult => {
    const { name, required, gives, hint } = need;
    const detail = tryProbe(need, native);
    const ok = detail !== false;
    return { name, required, ok, detail: ok ? detail : 'missing', gives, ...(ok ? {} : { hint }) };
  });
  return Promise.resolve([
    { name: 'kernel', required: true, ok: true, detail: release(), gives: 'the datapath' },
    ...results,
  ]);
}

/**
 * The same, with what the running agent has switched off: a capability may be there and not in use, by a setting or because
 * it was tried and failed.
 */
export function asItRuns(
  results: readonly CheckResult[],
  { inlineOff, boostOff }: Readonly<Record<'inlineOff' | 'boostOff', Off | undefined>>,
): readonly CheckResult[] {
  const off: Readonly<Record<string, Off | undefined>> = { inline: inlineOff, boost: boostOff };
  return results.map((result) => {
    const why = off[result.name];
    if (why === undefined || !result.ok) return result;
    return { ...result, ok: false, detail: why.reason, hint: why.message };
  });
}

interface Off {
  readonly reason: string;
  readonly message: string;
}

function tryProbe(need: Need, native: Native): string | false {
  try {
    return need.probe(native);
  } catch {
    return false;
  }
}
