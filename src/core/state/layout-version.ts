// SPDX-License-Identifier: Apache-2.0

/**
 * Version of everything that is pinned. It grows whenever a map's key, value or type changes: the new version
 * then lives beside the old one until it has taken over. Agent and proxy meet in the maps, so both must be of one.
 */
export const LAYOUT_VERSION = 7;
