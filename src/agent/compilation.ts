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
    // Whoever asks for all that is in use leaves the rest to be forgotten.
    const before = names.isCrowded ? undefined : this.#going;
    // What was done by halves can't be gone on from.
    this.#going = undefined;
    if (before === undefined) names.takeStock();
    const going = before ?? { world: new WorldBuilder(), compiler: new Compiler(names) };
    const world = going.world.build(input);
    const compiled = going.compiler.compile(world, services);
    if (before === undefined) names.forgetUnused();
    this.#going = going;
    return { world, compiled };
  }
}
