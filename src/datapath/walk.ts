// SPDX-License-Identifier: Apache-2.0
import { type OpenConnection, openConnection } from '../core/abi/sweep.ts';
import { type LoaderOptions, openObject } from './loader.ts';
import { type BpfLink, type BpfMap, type BpfProgram, NativeError } from './native.ts';

/** Iterators of sweep.bpf.c that visit the sockets of one namespace. */
const walks = ['list_tcp', 'list_udp', 'close_tcp', 'close_rest_tcp', 'close_udp'] as const;
export type WalkName = (typeof walks)[number];

/** Visits the elements of a socket storage instead. */
const COOKIES = 'list_cookies';
const COOKIE_BYTES = 8;

const names = [COOKIES, ...walks] as const;

/** What closes and what only reports are two loads of the same programs. */
const pinOf = (name: string, closes: boolean): string => (closes ? name : `${name}-only`);

/** The kernel's iterators over sockets: loaded with the hooks, held by the agent alone, run when it asks. */
export class SocketWalk {
  /** Whether a walk closes what it finds forbidden (Linux 6.5), or leaves that to the caller. */
  readonly closes: boolean;
  readonly #links: Readonly<Record<WalkName, BpfLink>>;
  readonly #cookies: BpfProgram;

  private constructor([cookies, ...iterators]: readonly [BpfProgram, ...BpfProgram[]], closes: boolean) {
    this.closes = closes;
    const links = iterators.map((iterator, index) => [walks[index], iterator.attachIterator()] as const);
    for (const iterator of iterators) iterator.close();
    this.#links = Object.fromEntries(links) as Record<WalkName, BpfLink>;
    this.#cookies = cookies;
  }

  /** @param closes tried first unless told */
  static load(options: LoaderOptions, closes = true): SocketWalk {
    return SocketWalk.#kept(options, closes) ?? SocketWalk.#fresh(options, closes);
  }

  /** With what an earlier agent of this build has left. */
  static #kept({ programs }: LoaderOptions, closes: boolean): SocketWalk | undefined {
    const [cookies, ...iterators] = names.map((name) => programs?.open(pinOf(name, closes)));
    const found = iterators.filter((iterator) => iterator !== undefined);
    if (cookies !== undefined && found.length === walks.length)
      return new SocketWalk([cookies, ...found], closes);
    for (const program of [cookies, ...found]) program?.close();
    return undefined;
  }

  static #fresh(options: LoaderOptions, closes: boolean): SocketWalk {
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
    const take = (name: string): BpfProgram => {
      const program = object.program(name);
      options.programs?.keep(pinOf(name, closes), program);
      return program;
    };
    return new SocketWalk([take(COOKIES), ...walks.map(take)], closes);
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
