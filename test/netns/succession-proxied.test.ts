// SPDX-License-Identifier: Apache-2.0
// Another layout of what is pinned takes over, with HTTP decided by the proxy.
import { describeSuccession } from '../support/succession.ts';

describeSuccession('off');
