// SPDX-License-Identifier: Apache-2.0
import { createConnection, type Socket } from 'node:net';
import { type CompileOptions, compile } from '../../src/core/automaton/compile.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { flowDetail, type FlowDetail, flowRecord, type FlowRecord } from '../../src/core/abi/flow.ts';
import { type ProxyLimits, proxyLimits, type RequestFlows } from '../../src/core/proxy/config.ts';
import { loadNative, type Native } from '../../src/datapath/native.ts';
import { SocketReactor } from '../../src/datapath/reactor.ts';
import { parseAddressBytes } from '../../src/proxy/address.ts';
import { Engine, type EngineConfig } from '../../src/proxy/engine.ts';
import { FlowRing, flowRingMemory } from '../../src/proxy/flow-ring.ts';
import { HostSockets } from '../../src/proxy/host-sockets.ts';
import { loadRules, type RequestRules } from '../../src/proxy/request-rules.ts';
import { SourcePorts } from '../../src/proxy/source-ports.ts';
import type { Ending, UpstreamNotice } from '../../src/proxy/ports.ts';
import type { Listener } from '../../src/proxy/route.ts';

/** Numbers of the two workloads of these tests, and of the Service that clients ask for. */
export const CLIENT = 1;
export const SERVER = 2;
export const CLIENT_IDENTITY = 101;
export const SERVER_IDENTITY = 102;
export const SERVICE = 501;
/** Rule under which Audit reports what no rule allows. */
export const DEFAULT_DENY = 99;

export interface ProxyOptions {
  readonly serverPort: number;
  /** Rules of the server's ingress; undefined: the connection is allowed whatever it carries. */
  readonly rules?: RuleSet;
  /** Rules of the client's egress. */
  readonly egressRules?: RuleSet;
  readonly action?: 'allow' | 'deny' | 'http';
  readonly http2?: boolean;
  /** How the rules of both sides are compiled: with rules in Audit mode, or smaller budgets. */
  readonly compile?: CompileOptions;
  readonly egressAction?: 'allow' | 'http';
  readonly limits?: Partial<ProxyLimits>;
  readonly pooling?: boolean;
  readonly requestFlows?: RequestFlows;
  /** Sockets that the worker may have. */
  readonly sockets?: number;
  /** The kernel has no word on connections. */
  readonly unsteered?: boolean;
  readonly direction?: Listener['direction'];
  /** The accepted socket's own address, for inbound connections. */
  readonly inboundAddress?: string;
}

export interface DecodedFlow extends FlowRecord {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Of requests; zeros stand for a trace that there isn't. */
  readonly detail?: FlowDetail;
}

/** An engine on real sockets over loopback; only the kernel's maps are imagined. */
export class TestProxy {
  readonly engine: Engine;
  readonly port: number;
  readonly notices: UpstreamNotice[] = [];
  readonly withdrawn: UpstreamNotice[] = [];
  /** By the numbers of their connections. */
  readonly endings: (Ending & { readonly connection: bigint })[] = [];
  readonly faults: unknown[] = [];
  readonly own: number[] = [];
  serverPort: number;
  /** Added to the clock. */
  private aheadMs = 0;
  private readonly ring: FlowRing;
  private readonly reactor: SocketReactor;
  private readonly timer: NodeJS.Timeout;
  private readonly fd: number;
  private options: ProxyOptions;
  private readonly flowsSoFar: DecodedFlow[] = [];

  constructor(options: ProxyOptions) {
    const native = loadNative();
    this.options = options;
    this.serverPort = options.serverPort;
    this.ring = new FlowRing(flowRingMemory(1 << 20));
    this.reactor = new SocketReactor(native, {
      sockets: 32768,
      readBytes: 65536,
      turnSockets: 64,
      highWater: 65536,
      queueBytes: 1 << 22,
      lingerMs: 200,
    });
    this.engine = new Engine(
      {
        reactor: this.reactor,
        ring: this.ring,
        clock: { nowNs: () => Number(process.hrtime.bigint()) + this.aheadMs * 1e6 },
        defer: (task) => setImmediate(task),
        onFault: (error) => this.faults.push(error),
        kernel: {
          readSteering: (_fd, into) => {
            into.address.set(parseAddressBytes('127.0.0.1'));
            into.port = this.serverPort;
            into.sourceWorkload = CLIENT;
            into.sourceIdentity = CLIENT_IDENTITY;
            into.destinationWorkload = SERVER;
            into.destinationIdentity = SERVER_IDENTITY;
            into.clientCookieLow = 77;
            into.service = SERVICE;
            return this.options.unsteered !== true;
          },
          markOwn: (fd) => this.own.push(fd),
          announce: (notice) => this.notices.push(notice),
          withdraw: (notice) => this.withdrawn.push(notice),
          tellEnding: (connection, ending) =>
            this.endings.push({ ...ending, connection: Buffer.from(connection).readBigUInt64LE() }),
          readOwner: (_address, into) => {
            into.identity = CLIENT_IDENTITY;
            into.workload = 0;
          },
        },
        sockets: new LoopbackSockets(native, {
          local: { address: options.inboundAddress ?? '10.0.0.2', port: this.serverPort },
          peer: { address: '127.0.0.1', port: 40000 },
        }),
      },
      this.config(options),
    );
    const listener = native.sockets.openListener({ netnsFd: null, family: 4, address: '127.0.0.1', port: 0 });
    this.port = listener.port;
    this.fd = listener.fd;
    this.engine.listen(listener.fd, {
      workload: options.direction === 'inbound' ? SERVER : CLIENT,
      identity: options.direction === 'inbound' ? SERVER_IDENTITY : CLIENT_IDENTITY,
      direction: options.direction ?? 'outbound',
      netnsFd: 0,
      netnsCookie: 1n,
    });
    this.timer = setInterval(() => this.engine.tick(), 20);
  }

  /** Another policy, or other limits. */
  reconfigure(options: Omit<ProxyOptions, 'serverPort'>): void {
    this.options = { ...options, serverPort: this.serverPort };
    this.engine.configure(this.config(this.options));
  }

  /** Moves the clock; what is due happens at once. */
  advance(ms: number): void {
    this.aheadMs += ms;
    this.engine.tick();
  }

  /** A connection may be reset before the client has seen that it was made. */
  connect(): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = createConnection({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
      socket.once('connect', () => resolve(socket));
      socket.once('error', () => resolve(socket));
    });
  }

  /** All records so far. */
  flows(): DecodedFlow[] {
    const chunk = Buffer.alloc(1 << 20);
    for (let { bytes } = this.ring.read(chunk); bytes > 0; bytes = this.ring.read(chunk).bytes) {
      for (let at = 0; at < bytes;) {
        const length = chunk.readUInt32LE(at);
        this.flowsSoFar.push(decodeFlow(chunk.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
      }
    }
    return this.flowsSoFar;
  }

  drops(reason: number): number {
    return this.engine.counters.snapshot().drops[reason] ?? 0;
  }

  get sockets(): number {
    return this.reactor.stats.sockets;
  }

  close(): void {
    clearInterval(this.timer);
    this.reactor.destroy();
    loadNative().sockets.close(this.fd);
  }

  private config(options: ProxyOptions): EngineConfig {
    const lists = [options.rules, options.egressRules].map((rules, index) =>
      rules === undefined ? undefined : rulesOf(rules, options, index === 1),
    );
    const rules = lists.filter((list) => list !== undefined);
    const action = options.action ?? (options.rules === undefined ? 'allow' : 'http');
    const row = { from: 0, to: 65535, rule: 7 };
    return {
      limits: proxyLimits.parse(options.limits ?? {}),
      verdicts: [
        {
          ...row,
          workload: SERVER,
          direction: 'ingress',
          identity: CLIENT_IDENTITY,
          action,
          ...(lists[0] === undefined ? {} : { automaton: rules.indexOf(lists[0]) }),
        },
        ...(lists[1] === undefined
          ? []
          : [
              {
                ...row,
                workload: CLIENT,
                direction: 'egress' as const,
                identity: SERVER_IDENTITY,
                action: options.egressAction ?? ('http' as const),
                automaton: rules.indexOf(lists[1]),
              },
            ]),
      ],
      rules,
      workloads: new Map([
        [
          CLIENT,
          { name: 'shop/client', netnsCookie: 11n, identity: CLIENT_IDENTITY, identities: [CLIENT_IDENTITY] },
        ],
        [
          SERVER,
          { name: 'shop/server', netnsCookie: 12n, identity: SERVER_IDENTITY, identities: [SERVER_IDENTITY] },
        ],
      ]),
      pooling: options.pooling ?? true,
      requestFlows: options.requestFlows ?? 'all',
      sockets: options.sockets ?? 32000,
    };
  }
}

/** Everything is on this machine's loopback, and accepted sockets say what a test wants. */
class LoopbackSockets extends HostSockets {
  private readonly says: Record<'local' | 'peer', { readonly address: string; readonly port: number }>;

  constructor(native: Native, says: LoopbackSockets['says']) {
    const { sockets } = native;
    const openStream: typeof sockets.openStream = (stream) =>
      sockets.openStream({ ...stream, netnsFd: null });
    super({ sockets: { ...sockets, openStream } }, new SourcePorts(Math.random));
    this.says = says;
  }

  override sourceFor(): string {
    return '127.0.0.1';
  }

  override localInto(_fd: number, bytes: Uint8Array): number {
    bytes.set(parseAddressBytes(this.says.local.address));
    return this.says.local.port;
  }

  override peerInto(_fd: number, bytes: Uint8Array): number {
    bytes.set(parseAddressBytes(this.says.peer.address));
    return this.says.peer.port;
  }
}

/** A side that allows whatever comes only reports. */
function rulesOf(rules: RuleSet, options: ProxyOptions, ofEgress: boolean): RequestRules {
  const action = ofEgress ? options.egressAction : options.action;
  const audit = action === 'allow' ? { enforces: false, defaultDeny: DEFAULT_DENY } : undefined;
  const { bytes, readHeaders, undecidable, auditUndecidable } = compile(rules, {
    ...(audit === undefined ? {} : { audit }),
    ...options.compile,
  });
  const later = undecidable ?? auditUndecidable;
  return loadRules({
    table: Uint8Array.from(bytes).buffer,
    readHeaders,
    defaultDeny: options.compile?.audit?.defaultDeny ?? audit?.defaultDeny ?? 0,
    ...(options.http2 === true && !ofEgress ? { http2: true } : {}),
    ...(later === undefined ? {} : { rules }),
  });
}

/** Without a trace the record ends behind the times. */
const noDetail = Buffer.alloc(flowDetail.size);

function decodeFlow(bytes: Buffer): DecodedFlow {
  const record = flowRecord.decode(bytes);
  let at = flowRecord.size;
  const text = (length: number): string => bytes.toString('latin1', at, (at += length));
  return {
    ...record,
    method: text(record.methodLength),
    target: text(record.pathLength),
    host: text(record.hostLength),
    ...(record.detailLength === 0
      ? {}
      : { detail: flowDetail.decode(Buffer.concat([bytes.subarray(at), noDetail])) }),
  };
}
