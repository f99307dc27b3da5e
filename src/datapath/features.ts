// SPDX-License-Identifier: Apache-2.0
import type { Native } from './native.ts';

interface Feature {
  /** Tries it: behaviour, never the kernel's version. */
  readonly probe: (native: Native) => boolean;
  /** What programs do where it is missing. */
  readonly without: string;
}

/** What kernels differ in and programs adapt to (bpf/lib/features.h). */
export const kernelFeatures = {
  PACKET_NETNS: {
    probe: (native) => native.probe.helper('cgroup_skb', 'get_netns_cookie'),
    without:
      'the namespace of a datagram is read from the memory of its socket; needs CAP_PERFMON, and a kernel that is not locked down',
  },
  PACKET_STATE: {
    probe: (native) => native.probe.kfunc('bpf_cast_to_kern_ctx'),
    without: 'HTTP policy goes to the proxy: whether a packet has been verified cannot be told',
  },
  KERNEL_READS: {
    probe: (native) => native.probe.kfunc('bpf_rdonly_cast') && native.probe.kfunc('bpf_sock_destroy'),
    without: 'no boost: whether the other end has room cannot be told',
  },
} as const satisfies Record<string, Feature>;

export type KernelFeature = keyof typeof kernelFeatures;

export function hasFeature(native: Native, name: KernelFeature): boolean {
  return kernelFeatures[name].probe(native);
}

/** The switches that a program is loaded with, in the form of a kernel configuration. */
export function featureSwitches(native: Native): string {
  const lines = Object.entries(kernelFeatures).map(
    ([name, { probe }]) => `CONFIG_PERIGEE_${name}=${probe(native) ? 'y' : 'n'}\n`,
  );
  return lines.join('');
}
