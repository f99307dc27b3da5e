// SPDX-License-Identifier: Apache-2.0
import { type Compiled, Compiler } from '../control/compile/compile.ts';
import type { Names } from '../control/compile/names.ts';
import { type World, WorldBuilder, type WorldInput } from '../core/policy/world.ts';
import type { ServiceSet } from '../core/service/service.ts';

/** A world, and what became of it. */
export interface WorldInTerms {
  readonly world: World;
  readonly compiled: Compiled;
}

/** From what is known to what is wanted, each from what tells it from the one before. */
export class Compilation {
  readonly #names: Names;
  /** Undefined: all of it is to be made. */
  #going: { readonly world: WorldBuilder; readonly compiler: Compiler } | undefined;

  constructor(names: Names) {
    this.#names = names;
  }

  of(input: WorldInput, services: ServiceSet | undefined): WorldInTerms {
    const names = this.#names;
    const before = this.#going;
    // What was done by halves can't be gone on from.
    this.#going = undefined;
    // A compiler that is new asks for all that is in use, and leaves the rest to be forgotten. Of the world nothing has changed.
    const compiler = names.isCrowded ? undefined : before?.compiler;
    if (compiler === undefined) names.takeStock();
    const going = {
      world: before?.world ?? new WorldBuilder(),
      compiler: compiler ?? new Compiler(names),
    };
    const world = going.world.build(input);
    const compiled = going.compiler.compile(world, services);
    if (compiler === undefined) names.forgetUnused();
    this.#going = going;
    return { world, compiled };
  }
}
