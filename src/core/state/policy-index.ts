// SPDX-License-Identifier: Apache-2.0
import type { Address } from '../identity/address.ts';
import { hostPrefix } from '../identity/prefix.ts';
import { addressBytes, prefixBits } from '../identity/wire-address.ts';
import type { DesiredAddress, DesiredPolicy, DesiredState } from './desired.ts';

/** The two look-ups of the kernel over a desired state, for sockets that are open already. */
export class PolicyIndex {
  readonly #policy = new Map<string, DesiredPolicy[]>();
  readonly #ipcache = new Map<string, DesiredAddress>();
  readonly #lengths: readonly number[];

  constructor(state: DesiredState) {
    for (const entry of state.policy) {
      const key = policyKeyOf(entry.workload, entry.direction, entry.protocol, entry.identity);
      const entries = this.#policy.get(key);
      if (entries === undefined) this.#policy.set(key, [entry]);
      else entries.push(entry);
    }
    for (const entry of state.ipcache) {
      this.#ipcache.set(prefixKey(addressBytes(entry.prefix), prefixBits(entry.prefix)), entry);
    }
    this.#lengths = [...new Set(state.ipcache.map((entry) => prefixBits(entry.prefix)))].sort(
      (a, b) => b - a,
    );
  }

  /** Longest prefix that holds the address. */
  peer(address: Address): DesiredAddress | undefined {
    const bytes = addressBytes(hostPrefix(address));
    for (const length of this.#lengths) {
      const found = this.#ipcache.get(prefixKey(bytes, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Undefined: no answer, which a governed workload takes for a refusal. */
  verdict(
    side: Pick<DesiredPolicy, 'workload' | 'direction' | 'protocol' | 'identity'>,
    port: number,
  ): DesiredPolicy | undefined {
    const key = policyKeyOf(side.workload, side.direction, side.protocol, side.identity);
    return this.#policy.get(key)?.find((entry) => entry.from <= port && port <= entry.to);
  }
}

function policyKeyOf(workload: number, direction: string, protocol: string, identity: number): string {
  return `${String(workload)}/${direction}/${protocol}/${String(identity)}`;
}

/** The first `length` bits of the address, and how many they are. */
function prefixKey(bytes: Uint8Array, length: number): string {
  const whole = length >> 3;
  const rest = length & 7;
  let text = `${String(length)}:${Buffer.from(bytes.subarray(0, whole)).toString('latin1')}`;
  if (rest > 0) text += String.fromCharCode((bytes[whole] ?? 0) & (0xff00 >> rest) & 0xff);
  return text;
}
