// SPDX-License-Identifier: Apache-2.0
// The addon's surface beside libbpf: sockets, network namespaces, socket diagnostics, probes, clocks.

export type AddressFamily = 4 | 6;

export interface ListenerOptions {
  /** null: this process's own namespace. */
  readonly netnsFd: number | null;
  readonly family: AddressFamily;
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly backlog?: number;
  readonly reusePort?: boolean;
  readonly v6Only?: boolean;
  /** IP_TRANSPARENT: may be bound to addresses that aren't local. */
  readonly transparent?: boolean;
}

export interface StreamOptions {
  readonly netnsFd: number | null;
  readonly family: AddressFamily;
  readonly bindAddress?: string;
  readonly bindPort?: number;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Sockets made in a given namespace, non-blocking and close-on-exec. The thread is back in its own at return. */
export interface Sockets {
  openListener(options: ListenerOptions): { fd: number; port: number };
  /** An unconnected TCP socket; localPort is there if it was bound. */
  openStream(options: StreamOptions): { fd: number; localPort?: number };
  /** A raw socket that sends whole packets, headers included (IPPROTO_RAW), and receives none. */
  openRaw(options: { readonly netnsFd: number | null; readonly family: AddressFamily }): number;
  /** Sends one packet by the routes to this address; the bytes sent. */
  sendRaw(fd: number, family: AddressFamily, address: string, packet: Uint8Array): number;
  /** Starts a connection; true if it was established at once. */
  connect(fd: number, family: AddressFamily, address: string, port: number): boolean;
  /** SO_ERROR, cleared by reading: 0 if none. */
  takeError(fd: number): number;
  /** SO_NETNS_COOKIE (5.14). */
  netnsCookie(fd: number): bigint;
  /** SO_COOKIE. */
  cookie(fd: number): bigint;
  /** Writes a socket's own address as 16 bytes in network order, IPv4 mapped; its port, host byte order. */
  localInto(fd: number, bytes: Uint8Array): number;
  /** The same of its peer. */
  peerInto(fd: number, bytes: Uint8Array): number;
  /** The address that a socket in that namespace would speak from, by its routes alone. */
  sourceFor(options: {
    readonly netnsFd: number | null;
    readonly family: AddressFamily;
    readonly address: string;
  }): string;
  close(fd: number): void;
}

export interface InterfaceAddress {
  readonly interface: string;
  readonly family: AddressFamily;
  readonly address: string;
  readonly prefixLength: number;
}

export interface Netns {
  /** Refuses anything but a network namespace. */
  open(path: string): number;
  ofPid(pid: number): number;
  selfFd(): number;
  inode(netnsFd: number): bigint;
  cookie(netnsFd: number): bigint;
  addresses(netnsFd: number): InterfaceAddress[];
}

export type DiagProtocol = 'tcp' | 'udp';

export type SocketState =
  | 'established'
  | 'syn-sent'
  | 'syn-recv'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'time-wait'
  | 'closed'
  | 'close-wait'
  | 'last-ack'
  | 'listening'
  | 'closing'
  | 'new-syn-recv'
  | 'bound-inactive';

export interface DiagSocket {
  readonly family: AddressFamily;
  readonly state: SocketState;
  /** The socket's own end. An IPv4 connection on an IPv6 socket shows `::ffff:a.b.c.d`. */
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly cookie: bigint;
  readonly inode: number;
  readonly uid: number;
  /** The device that the socket is bound to, 0 if none. */
  readonly interfaceIndex: number;
}

export interface DiagFilter {
  readonly protocol: DiagProtocol;
  /** Both unless told. */
  readonly families?: readonly AddressFamily[];
  /** All unless told; filtered by the kernel. */
  readonly states?: readonly SocketState[];
}

export interface DestroyTarget {
  readonly protocol: DiagProtocol;
  readonly family: AddressFamily;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** The socket is closed only if it is still this one. */
  readonly cookie: bigint;
  readonly interfaceIndex?: number;
}

/** NETLINK_SOCK_DIAG in a namespace. */
export interface Diag {
  list(netnsFd: number | null, filter: DiagFilter): DiagSocket[];
  /** SOCK_DESTROY: false if the socket was gone already. */
  destroy(netnsFd: number | null, target: DestroyTarget): boolean;
}

export interface Cgroup {
  /** The id that bpf_get_current_cgroup_id and LinkInfo.cgroupId give. */
  id(path: string): bigint;
  /** A descriptor for attachCgroup; refuses anything but a cgroup2 folder. */
  open(path: string): number;
}

/** What this kernel can do, found by trying. */
export interface Probe {
  programType(name: string): boolean;
  mapType(name: string): boolean;
  /** By name without `bpf_`, or by number. Tracing types can't be probed this way and throw. */
  helper(programType: string, helper: string | number): boolean;
  /** Whether the kernel's BTF knows such a function. */
  kfunc(name: string): boolean;
  /** Closes a socket of its own through SOCK_DESTROY. */
  sockDestroy(): boolean;
  /** The effective set: `CAP_BPF`, … */
  capabilities(): string[];
}

/** The clocks of bpf_ktime_get_ns and bpf_ktime_get_boot_ns. */
export interface KernelClock {
  monotonicNs(): bigint;
  boottimeNs(): bigint;
}

export interface HostFacilities {
  readonly sockets: Sockets;
  readonly netns: Netns;
  readonly diag: Diag;
  readonly cgroup: Cgroup;
  readonly probe: Probe;
  readonly clock: KernelClock;
  /** Mounts bpffs on an existing folder (mode 0700); false if it already was. */
  readonly mountBpffs: (path: string) => boolean;
  /** A descriptor that holds the file's lock until it is closed; undefined while another holds it. Makes the file. */
  readonly lockFile: (path: string) => number | undefined;
}
