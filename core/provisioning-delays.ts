/** How long ordered replicas take to be up: one stream for each replica, so that both worlds draw alike. */
import { Sampler } from "./random/sampler.ts";
import type { System } from "./system.ts";

export class ProvisioningDelays {
  readonly #system: System;
  readonly #seed: string;
  readonly #samplers = new Map<number, Sampler>();

  constructor(system: System, seed: string) {
    this.#system = system;
    this.#seed = seed;
  }

  /** The delay of the next order of a replica, µs. */
  nextUs(replica: number): number {
    const { replicas, provisioning } = this.#system;
    const stream = `scaling/${replicas[replica].name}`;
    const known = this.#samplers.get(replica);
    const sampler = known ?? new Sampler(provisioning.shape, this.#seed, stream);
    this.#samplers.set(replica, sampler);
    return Math.round(provisioning.meanUs * sampler.next());
  }
}
