// SPDX-License-Identifier: Apache-2.0
import type { ReasonName } from './abi/reason.ts';

export type { ReasonName };

export interface ReasonText {
  /** What happened, one sentence without a full stop. */
  readonly summary: string;
  /** What a person can do about it. */
  readonly action: string;
}

/* The reasons of the evaluator stand in policy/decision-reason.ts. */

/** The text of each reason of bpf/abi/reason.h. The type makes a missing one a compile error. */
export const reasons: Readonly<Record<ReasonName, ReasonText>> = {
  none: { summary: 'Nothing was refused', action: 'Nothing to do' },
  'policy-denied': {
    summary: 'A rule with action Deny matches the connection',
    action: 'Read the rule with `perigee explain`; remove or narrow it if the traffic is wanted',
  },
  'policy-no-rule': {
    summary: 'The workload is selected by policy in this direction and no rule allows the connection',
    action: 'Add an Allow rule for this peer and port, or remove the direction from the policy',
  },
  'policy-state-missing': {
    summary: 'The workload is governed, but the kernel maps have no answer for this peer; refused to be safe',
    action: 'Check that the agent is ready (`perigee status`); its log names the map that it could not fill',
  },
  'proxy-unavailable': {
    summary: 'Policy needs the layer 7 proxy, which is not listening in this namespace',
    action: 'Start the proxy (`perigee status` shows it); direct connections are not affected',
  },
  'steer-failed': {
    summary: 'The original destination could not be remembered, so the connection could not be steered',
    action:
      'Look for a flood of connections of this workload: 65,536 may be between connect and accept at once',
  },
  'protocol-refused': {
    summary:
      'A workload asked for a socket that no hook can judge: Multipath TCP, SCTP, DCCP, UDP-Lite, L2TP, or a raw one of anything but ICMP and IGMP',
    action:
      'Nothing for Multipath TCP: runtimes fall back to TCP; programs that need the others cannot be enrolled',
  },
  'device-bound': {
    summary: 'A socket bound to a network device needs the proxy, which it cannot reach over loopback',
    action: 'Do not use SO_BINDTODEVICE in this program, or use rules without `http` for this destination',
  },
  'packet-malformed': {
    summary: 'A packet has headers that cannot be read',
    action: 'Capture the traffic: nothing well-formed is dropped for this reason',
  },
  'policy-changed': {
    summary: 'A connection that was open is forbidden by a policy that came later, and was closed',
    action: 'Nothing, if the change was meant; `perigee explain` names the rule',
  },
  'state-not-kept': {
    summary:
      'A socket had no room for what policy decided of it, so a later policy could not find it; refused',
    action: 'The program uses up the option memory of its socket: raise net.core.optmem_max',
  },
  'workload-unknown': {
    summary: 'The namespace is enrolled, but its state is missing; refused to be safe',
    action: 'Check that the agent is ready (`perigee status`)',
  },
  'stray-segment': {
    summary:
      'TCP for an ephemeral port without a connection, which ingress policy would refuse: mostly what comes late',
    action: 'Nothing; services on ports of 32768 and up that refuse many show here instead of in flows',
  },
  'source-forged': {
    summary:
      'A workload asked for a socket that sends under any address (IP_HDRINCL, IP_TRANSPARENT, IP_FREEBIND for IPv6)',
    action: 'Find out which program does this; transparent proxies and routing daemons cannot be enrolled',
  },
  'segment-ahead': {
    summary:
      'A segment of an inline connection came before its predecessors, or ends inside a request line that would not be allowed as it stands; dropped, and sent again by the client',
    action: 'Nothing, as long as it is rare: look for packet loss on the way from the client',
  },
  'segment-ambiguous': {
    summary:
      'A segment of an inline connection that TCP might take otherwise than it was read: urgent data, a bad checksum or acknowledgement, a second copy of a head',
    action: 'Capture the traffic of the client: apart from rare races nothing well-behaved does this',
  },
  'segment-contended': {
    summary:
      'Two processors met at one inline connection, or a request was passing TCP by; one segment was dropped and is sent again',
    action: 'Nothing, as long as it is rare',
  },
  'segment-shared': {
    summary:
      'A client of this node sent the head of a request, or chunked framing, from pages that it can still change (splice, vmsplice, sendfile), so what was judged need not be what the server reads; closed',
    action:
      'Nothing for enrolled clients: their next connections take the proxy. Enrol the client otherwise, or set `inline: off`',
  },
  'stream-position-lost': {
    summary: 'Bytes of an inline connection passed that were not read, so it was closed',
    action:
      'Nothing for connections that were open before the policy; else capture the traffic of the client',
  },
  'stream-state-missing': {
    summary: 'The kernel had no memory for the state of an inline connection; its requests are refused',
    action: 'Look at the memory of the node and at net.core.optmem_max',
  },
  'early-limited': {
    summary:
      'Segments with payload came for a listener with inline policy faster than one processor reads them before there is a socket; dropped, or refused without an answer',
    action: 'Look for a flood from the addresses that reach this workload; honest clients send again',
  },
  'opaque-tls': {
    summary: 'A visible connection speaks TLS: it passes, and its requests are not seen',
    action: 'Nothing; what is encrypted end to end cannot be read here',
  },
  'opaque-http2': {
    summary: 'A visible connection speaks HTTP/2 (gRPC): it passes, and its requests are not seen',
    action: 'Nothing; the kernel reads HTTP/1 alone',
  },
  'opaque-server-first': {
    summary:
      'On a visible connection the server spoke before any request, which is no HTTP: it passes unread',
    action: 'Declare the ports of the workload that speak HTTP, and no others are looked at',
  },
  'opaque-upgraded': {
    summary:
      'A visible connection left HTTP by Upgrade (WebSocket) or CONNECT: it passes, unread from there on',
    action: 'Nothing; the request that asked for it is in the flows',
  },
  'opaque-early': {
    summary: 'Bytes of a visible connection came before it had a socket (Fast Open): it passes unread',
    action: 'Nothing',
  },
  'workload-pending': {
    summary: 'A pod opened a connection before the agent of its node had met it (`pending: Refuse`)',
    action:
      'Nothing, if the program tries again; if it goes on, see in `perigee status` why the pod is not enrolled',
  },
  'service-no-backend': {
    summary: 'A Service was asked for that no ready pod serves; the program gets ECONNREFUSED',
    action:
      'See `kubectl get endpointslices`: whether pods match the selector, are ready, and, with internalTrafficPolicy Local, are on this node',
  },
  'service-backend-gone': {
    summary:
      'The backend of a Service that a connection was open to is no more, and the connection was closed',
    action: 'Nothing, if the program connects again',
  },
  'boost-reconnect': {
    summary: 'A boosted socket was disconnected with AF_UNSPEC and then asked for another connection',
    action: 'Open a new socket for each connection, or take the label `perigee.dev/boost` off the workload',
  },
  'http-denied': {
    summary: 'A rule with action Deny matches the request',
    action: 'Read the rule with `perigee observe --why`; remove or narrow it if the request is wanted',
  },
  'http-no-rule': {
    summary: 'No rule allows this request',
    action: 'Add the method and path to an Allow rule of the policies that select the destination',
  },
  'http-malformed': {
    summary: 'The bytes are not a strict HTTP/1 request head, on a port that HTTP rules govern',
    action: 'Fix the client, or use rules without `http` if the port speaks another protocol',
  },
  'http-framing': {
    summary: 'The length of the message is ambiguous or malformed (request smuggling)',
    action: 'Fix the client: send exactly one valid Content-Length or `Transfer-Encoding: chunked`',
  },
  'http-head-too-large': {
    summary: 'The head is longer than limits.headBytes',
    action: 'Send smaller headers, or raise the limit',
  },
  'http-too-many-headers': {
    summary: 'The head has more header lines than limits.headers',
    action: 'Send fewer headers, or raise the limit',
  },
  'http-head-timeout': {
    summary: 'The head was not complete within limits.headTimeoutMs',
    action: 'Look for a slow or stuck client',
  },
  'http-upgrade-refused': {
    summary: 'Upgrade or CONNECT that no rule names, or an upgrade to HTTP/2',
    action: 'Name the method CONNECT in a rule, allow upgrades in the settings, or connect without upgrading',
  },
  'http-response-malformed': {
    summary: 'The server answered with something that is not a strict HTTP/1 response',
    action: 'Fix the server, or use rules without `http` if the port speaks another protocol',
  },
  'http-target-ambiguous': {
    summary: 'The request target can be read in two ways (encoded slash, dot segments, empty segments)',
    action: 'Send the normalised form of the path',
  },
  'http-trailer': {
    summary: 'A header that policy reads came as a trailer, where policy would not see it',
    action: 'Send the header in the head of the request',
  },
  'http-too-complex': {
    summary: 'The rules fit no table, and to evaluate them on this request would take too long',
    action: 'Simplify the rules that `perigee status` names, or send a shorter head',
  },
  'http-truncated': {
    summary: 'The client ended the connection inside the head of a request; it was closed',
    action: 'Nothing; careless servers would have taken the torn request for a whole one',
  },
  'http2-violation': {
    summary:
      'A client broke the rules of HTTP/2, or the limits on resets, pings, settings and header lists; its connection was closed',
    action:
      'Look at the client: honest ones stay far below; a flood of cancelled streams is an attack (CVE-2023-44487)',
  },
  'not-steered': {
    summary: 'A connection reached the proxy that the kernel did not steer there',
    action: 'Do not connect to the ports of the proxy directly',
  },
  'upstream-unreachable': {
    summary: 'The proxy could not connect to the server',
    action: 'Check that the server is up and listens on the port',
  },
  'upstream-closed': {
    summary: 'The server closed the connection before it answered',
    action: 'Look at the log of the server',
  },
  'upstream-timeout': {
    summary: 'The server did not accept the connection in time',
    action: 'Check the server and the network between the nodes',
  },
  'idle-timeout': {
    summary: 'The connection carried no byte for limits.idleTimeoutMs',
    action: 'Use keep-alive messages of the protocol, or raise the limit',
  },
  'connection-limit': {
    summary:
      'The workload has limits.connectionsPerWorkload connections in the proxy, or its share of the sockets that RLIMIT_NOFILE allows',
    action: 'Look for a leak of connections in the client, or raise the limit or LimitNOFILE= of the proxy',
  },
  'memory-limit': {
    summary: 'The workload has limits.bytesPerWorkload bytes buffered in the proxy',
    action: 'Look for a slow reader, or raise the limit',
  },
  'proxy-draining': {
    summary: 'The proxy is being replaced and did not take the connection',
    action: 'Nothing: connect again',
  },
  'proxy-internal': {
    summary: 'A fault of the proxy itself',
    action: 'Report it with the log of the proxy',
  },
};
