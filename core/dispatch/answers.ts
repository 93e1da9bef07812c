/** What is noted about the answers of requests in the system, where schedulers impute some. */
import type { System } from "../system.ts";
import type { RequestTable } from "./request-table.ts";

interface Notes {
  /** Of the request: its slot may be another's by now. */
  readonly serial: number;
  imputed: number;
}

export class RequestAnswers {
  readonly #table: RequestTable;
  /** By pool. */
  readonly #imputedAccuracies: Float64Array;
  /** By request; the notes of an earlier request in the slot count no more. */
  readonly #notes = new Map<number, Notes>();

  constructor(system: System, table: RequestTable) {
    this.#table = table;
    this.#imputedAccuracies = Float64Array.from(system.pools, (pool) => pool.imputedAccuracy);
  }

  /** An answer of a pool is put in place of a straggler's. */
  imputed(request: number, pool: number): void {
    this.#table.accuracy[request] *= this.#imputedAccuracies[pool];
    this.#of(request).imputed++;
  }

  /** Answers of a request that were imputed. */
  imputedOf(request: number): number {
    const notes = this.#notes.get(request);
    return notes?.serial === this.#table.serial[request] ? notes.imputed : 0;
  }

  #of(request: number): Notes {
    const serial = this.#table.serial[request];
    let notes = this.#notes.get(request);
    if (notes?.serial !== serial) {
      notes = { serial, imputed: 0 };
      this.#notes.set(request, notes);
    }
    return notes;
  }
}
