// SPDX-License-Identifier: Apache-2.0

/** Length of a frame in the proxy's stream of flows that is no record but a count of those lost, u64. */
export const LOSS_BYTES = 8;
