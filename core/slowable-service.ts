/** A service model whose samples, not estimates, can be slowed: no policy knows of a slow node. */
import { SizedService } from "./input-sizes.ts";
import type { Shape } from "./random/sampler.ts";
import type { ServiceModel } from "./service.ts";

export class SlowableService implements ServiceModel {
  readonly shape: Shape;
  readonly maxBatch: number;
  readonly meanUs: Float64Array;
  readonly quantilesUs: readonly Float64Array[] | null;
  readonly scaleUs = Number.NaN;
  /** What a batch that starts now takes, in units of what it takes otherwise. */
  slowdown = 1;
  readonly #service: ServiceModel;

  constructor(service: ServiceModel) {
    this.#service = service;
    this.shape = service.shape;
    this.maxBatch = service.maxBatch;
    this.meanUs = service.meanUs;
    this.quantilesUs = service.quantilesUs;
  }

  /** What the sizes of the next batch's inputs make of its time, where times depend on them. */
  set factor(factor: number) {
    if (this.#service instanceof SizedService) this.#service.factor = factor;
  }

  sampleUs(variate: number, batch: number): number {
    return Math.round(this.#service.sampleUs(variate, batch) * this.slowdown);
  }
}
