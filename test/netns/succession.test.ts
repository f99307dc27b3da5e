// SPDX-License-Identifier: Apache-2.0
// Another layout of what is pinned takes over, with HTTP decided in the kernel.
import { describeSuccession } from '../support/succession.ts';

describeSuccession('auto');
