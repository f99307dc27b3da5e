// SPDX-License-Identifier: Apache-2.0
import type { ServerSessionOptions } from 'node:http2';
import type { ProxyLimits } from '../../core/proxy/config.ts';

/** Streams that one connection may have open: what most servers grant. */
const STREAMS_PER_CONNECTION = 100;
/** MB that one session may hold in frames, headers and streams before it takes no further one. */
const SESSION_MEMORY_MB = 8;
/**
 * Streams that a client may cancel at once, and for good in a second (CVE-2023-44487). A deadline that a whole
 * batch of calls misses is one burst.
 */
const RESET_BURST = 1000;
const RESET_RATE = 100;
/** Frames that break the rules, and streams beyond their limit, before the connection ends. */
const INVALID_FRAMES = 64;
const REJECTED_STREAMS = 256;
const SETTINGS_ENTRIES = 32;
/** A field that should be there once and is there twice passes, as in HTTP/1: policy sees each line of it. */
const lenient = { strictSingleValueFields: false } as const;

/**
 * How the proxy speaks to clients. Floods of SETTINGS, PING and CONTINUATION have bounds in nghttp2 itself; these are
 * the ones that are ours to set.
 */
export function clientSideOptions({ headBytes, headers }: ProxyLimits): ServerSessionOptions {
  return {
    ...lenient,
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: headers,
    maxSessionInvalidFrames: INVALID_FRAMES,
    maxSessionRejectedStreams: REJECTED_STREAMS,
    maxSettings: SETTINGS_ENTRIES,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
    settings: {
      enablePush: false,
      enableConnectProtocol: false,
      maxConcurrentStreams: STREAMS_PER_CONNECTION,
      maxHeaderListSize: headBytes,
    },
  };
}

/** How it speaks to servers. */
export function serverSideOptions({ headBytes, headers }: ProxyLimits): ServerSessionOptions {
  return {
    ...lenient,
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: headers,
    maxSessionInvalidFrames: INVALID_FRAMES,
    maxSettings: SETTINGS_ENTRIES,
    settings: { enablePush: false, maxHeaderListSize: headBytes },
  };
}
