// SPDX-License-Identifier: Apache-2.0
import type { BoostOutcomeName } from '../core/abi/boost.ts';

/** What became of a connection or message, for a person. */
export const boostReasons: Readonly<Record<BoostOutcomeName, string>> = {
  entered: 'boosted',
  left: 'left while it was open',
  blocking: 'an end reads or writes with blocking calls',
  splice:
    'an end reads with splice, io_uring or the like; the workload is not boosted until its label is set anew',
  'upper-protocol': 'kTLS or another protocol stands on top of TCP',
  multipath: 'Multipath TCP',
  'socket-taken': 'another program of the kernel has the socket',
  zerocopy: 'SO_ZEROCOPY is set',
  'low-water': 'SO_RCVLOWAT is set',
  'not-accepted': 'the server did not accept it in time',
  'map-full': 'no room in the map of sockets',
  gone: 'closed before it could enter',
  'splice-stuck': 'reset: an end began to read with splice',
  'unknown-waiter': 'an end waits for events in a way that is not known, such as io_uring',
  outrun: 'the writer outruns the reader: most bytes took TCP',
  'stream-lost': 'its requests could not be followed from the first on',
  redirected: 'passed TCP by',
  'in-flight': 'earlier bytes were on their way by TCP',
  unread: 'earlier bytes lay unread',
  'queue-full': 'the reader was behind',
  'many-small': 'too many small messages waited',
  'first-bytes': 'the reader had read nothing yet',
  'peer-gone': 'the other end was gone',
  unattended: 'no agent was there to remind an edge-triggered reader',
  'not-whole': 'not one whole request that policy allows',
  'stream-busy': 'the server was inside a request, or one was being read',
  reminded: 'a reader was told again that bytes wait for it',
};

export function pascal(name: string): string {
  return name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
