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
  #world = new WorldBuilder();
  #compiler: Compiler;

  constructor(names: Names) {
    this.#names = names;
    this.#compiler = new Compiler(names);
  }

  of(input: WorldInput, services: ServiceSet | undefined): WorldInTerms {
    try {
      const world = this.#world.build(input);
      return { world, compiled: this.#compiler.compile(world, services) };
    } catch (error) {
      // What was done by halves can't be gone on from.
      this.#world = new WorldBuilder();
      this.#compiler = new Compiler(this.#names);
      throw error;
    }
  }
}
