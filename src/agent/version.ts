// SPDX-License-Identifier: Apache-2.0
import manifest from '../../package.json' with { type: 'json' };

/** Version of this build. */
export const { version } = manifest;
