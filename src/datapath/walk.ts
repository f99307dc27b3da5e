// SPDX-License-Identifier: Apache-2.0
import { type OpenConnection, openConnection } from '../core/abi/sweep.ts';
import { type LoaderOptions, openObject } from './loader.ts';
import { type BpfLink, type BpfMap, type BpfObject, type BpfProgram, NativeError } from './native.ts';

/** Iterators of sweep.bpf.c that visit the sockets of one namespace. */
const walks = ['list_tcp', 'list_udp', 'close_tcp', 'close_rest_tcp', 'close_udp'] as const;
export type WalkName = (typeof walks)[number];

const COOKIE_BYTES = 8;

/** The kernel's iterators over sockets: loaded with the hooks, held by the agent alone, run when it asks. */
export class SocketWalk {
  /** Whether a walk closes what it finds forbidden (Linux 6.5), or leaves that to the caller. */
  readonly closes: boolean;
  readonly #links: Readonly<Record<WalkName, BpfLink>>;
  readonly #cookies: BpfProgram;

  private constructor(object: BpfObject, closes: boolean) {
    this.closes = closes;
    const attach = (name: WalkName): BpfLink => {
      using program = object.program(name);
      return program.attachIterator();
    };
    this.#links = Object.fromEntries(walks.map((name) => [name, attach(name)])) as Record<WalkName, BpfLink>;
    this.#cookies = object.program('list_cookies');
  }

  /** @param closes tried first unless told */
  static load(options: LoaderOptions, closes = true): SocketWalk {
    using object = openObject(options, 'sweep');
    const constants = object.readOnlyData();
    constants.writeUInt32LE(closes ? 1 : 0);
    object.setReadOnlyData(constants);
    try {
      object.load();
    } catch (error) {
      if (!closes || !(error instanceof NativeError)) throw error;
      return SocketWalk.load(options, false);
    }
    return new SocketWalk(object, closes);
  }

  /** One walk over a namespace's sockets: what the program reported. */
  run(name: WalkName, netnsFd: number | null): OpenConnection[] {
    const bytes = this.#links[name].iterate(netnsFd);
    const count = Math.floor(bytes.length / openConnection.size);
    return Array.from({ length: count }, (_, index) =>
      openConnection.decode(bytes, index * openConnection.size),
    );
  }

  /** Cookies of the sockets, of any namespace, that have an entry in a socket storage. */
  cookies(storage: BpfMap): ReadonlySet<bigint> {
    using link = this.#cookies.attachIterator(storage);
    const bytes = link.iterate();
    const found = new Set<bigint>();
    for (let at = 0; at + COOKIE_BYTES <= bytes.length; at += COOKIE_BYTES)
      found.add(bytes.readBigUInt64LE(at));
    return found;
  }

  close(): void {
    for (const name of walks) this.#links[name].close();
    this.#cookies.close();
  }
}
