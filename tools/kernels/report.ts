// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

const step = z.strictObject({ step: z.string(), expected: z.string(), found: z.string() });

/** What test/kernels/guest.ts found on one kernel. */
const schema = z.strictObject({
  /** Debian's version, such as `6.1.192-2`. */
  version: z.string().min(1),
  /** Instructions that the verifier walked, by `object/program`. */
  instructions: z.record(z.string(), z.int().positive()),
  /** Why an object was not loaded, by object. */
  rejected: z.record(z.string(), z.string()),
  /** What `perigee check` found, by capability; null: missing. */
  capabilities: z.record(z.string(), z.string().nullable()),
  /** What the attached hooks did with real connections. */
  smoke: z.array(step),
});

export type KernelReport = z.infer<typeof schema>;

/** The one line that a guest writes. Anything else is a fault: a report that is guessed at proves nothing. */
export function parseReport(output: string): KernelReport {
  const lines = output.split('\n').filter((line) => line !== '');
  const [line] = lines;
  if (line === undefined) throw new Error('the guest wrote no report');
  if (lines.length > 1) throw new Error(`the guest wrote ${lines.length} lines instead of one report`);
  return schema.parse(JSON.parse(line));
}
