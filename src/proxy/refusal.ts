// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import { refusalResponse } from '../core/http/refusal.ts';

const BLOCK = 4096;

/** Writes answers that the proxy gives itself, each with a fresh reference. */
export class RefusalWriter {
  readonly bytes = Buffer.alloc(512);
  referenceLow = 0;
  referenceHigh = 0;
  private readonly random = Buffer.alloc(BLOCK);
  private used = BLOCK;

  /** A new 64-bit reference, never 0. */
  nextReference(): void {
    if (this.used === BLOCK) {
      randomFillSync(this.random);
      this.used = 0;
    }
    this.referenceLow = this.random.readUInt32LE(this.used) || 1;
    this.referenceHigh = this.random.readUInt32LE(this.used + 4);
    this.used += 8;
  }

  /** Puts a whole response into `bytes` and returns its length. */
  write(status: number, close: boolean, isHead: boolean): number {
    this.nextReference();
    return this.bytes.write(refusalResponse(status, this.reference, close, isHead), 0, 'latin1');
  }

  /** The last one, 16 hexadecimal digits. */
  get reference(): string {
    return hex8(this.referenceHigh) + hex8(this.referenceLow);
  }
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}
