/** What the models of one device slot need of its memory. */
import type { ModelDocument } from "./scenario/schema.ts";

export type LoadedModel = Pick<ModelDocument, "memoryMb" | "residency"> & { readonly name: string };

export interface MemoryNeed {
  /** Of models that are always there. */
  readonly alwaysMb: number;
  /** Of the others one at a time may be enough: the largest. */
  readonly largest: LoadedModel | null;
  readonly totalMb: number;
}

/** Replicas of one model share it. */
export function memoryNeed(models: Iterable<LoadedModel>): MemoryNeed {
  const distinct = new Map([...models].map((model) => [model.name, model]));
  let alwaysMb = 0;
  let largest: LoadedModel | null = null;
  for (const model of distinct.values()) {
    if (model.residency === "always") alwaysMb += model.memoryMb;
    else if (largest === null || model.memoryMb > largest.memoryMb) largest = model;
  }
  return { alwaysMb, largest, totalMb: alwaysMb + (largest?.memoryMb ?? 0) };
}
