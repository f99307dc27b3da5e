// SPDX-License-Identifier: Apache-2.0
import { dnsAnswer } from '../../core/abi/dns.ts';
import { WallClockOffset } from '../wall-clock.ts';
import { readDnsAnswer } from './answer.ts';
import { DnsNames } from './names.ts';

const { offset, size } = dnsAnswer;

/** Answers by what was in them: names of addresses, or why there are none. */
export type DnsReadings = Readonly<Record<'named' | 'nothing' | 'refused' | 'malformed', number>>;

/** Takes names from the answers that the kernel has copied. */
export class DnsReader {
  readonly names = new DnsNames();
  readonly #counts = { named: 0, nothing: 0, refused: 0, malformed: 0 };
  readonly #clock: { current(): bigint };

  constructor(clock: { current(): bigint } = new WallClockOffset()) {
    this.#clock = clock;
  }

  get counts(): DnsReadings {
    return this.#counts;
  }

  /** Answer i is bytes[offsets[i]] to bytes[offsets[i + 1]]. Keeps none of the memory. */
  readonly take = (bytes: Buffer, offsets: Uint32Array): void => {
    const wall = this.#clock.current();
    for (let index = 0; index + 1 < offsets.length; index += 1) {
      const at = offsets[index] ?? 0;
      if ((offsets[index + 1] ?? 0) - at < size) continue;
      const start = at + offset.message;
      const message = bytes.subarray(start, start + bytes.readUInt16LE(at + offset.length));
      const time = Number(bytes.readBigUInt64LE(at + offset.time) + wall) / 1e6;
      this.#read(bytes.readUInt32LE(at + offset.workload), message, time);
    }
  };

  #read(workload: number, message: Buffer, time: number): void {
    const reading = readDnsAnswer(message);
    this.#counts[typeof reading === 'string' ? reading : 'named'] += 1;
    if (typeof reading !== 'string') this.names.learn(workload, reading, time);
  }
}
