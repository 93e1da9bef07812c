/** Notes on the answers of requests, where schedulers impute some or ensembles vote. */
import type { System } from "../system.ts";
import type { CountedVote } from "./driver.ts";
import type { RequestTable } from "./request-table.ts";

/** The votes of one ensemble for one request. */
interface Ballot {
  /** Pools; null until the ensemble begins. */
  asked: readonly number[] | null;
  /** Null until they are counted. */
  vote: CountedVote | null;
  /** Whether they are counted as soon as one has come. */
  isHurried: boolean;
}

interface Notes {
  /** The request's serial: another request may have its slot by now. */
  readonly serial: number;
  imputed: number;
  readonly ballots: Ballot[];
}

/** The answers that a completed request is made of. */
export interface AnswerSummary {
  readonly imputed: number;
  /** The least of its ensembles' confidences; NaN where none has voted. */
  readonly confidence: number;
  /** Whether each ensemble was confident enough. */
  readonly isSure: boolean;
}

export const PLAIN_ANSWERS: AnswerSummary = { imputed: 0, confidence: Number.NaN, isSure: true };

export class RequestAnswers {
  /** By request; the notes of an earlier request in the slot count no more. */
  readonly #notes = new Map<number, Notes>();

  constructor(
    private readonly system: System,
    private readonly table: RequestTable,
  ) {}

  /** An answer of a pool is put in place of a straggler's; a member of an ensemble only has no vote. */
  imputed(request: number, pool: number, isMember: boolean): void {
    if (!isMember) this.table.accuracy[request] *= this.system.pools[pool].imputedAccuracy;
    this.#of(request).imputed++;
  }

  ballot(request: number, ensemble: number): Ballot {
    const { ballots } = this.#of(request);
    ballots[ensemble] ??= { asked: null, vote: null, isHurried: false };
    return ballots[ensemble];
  }

  of(request: number): AnswerSummary {
    const notes = this.#notes.get(request);
    if (notes?.serial !== this.table.serial[request]) return PLAIN_ANSWERS;
    let confidence = Number.NaN;
    let isSure = true;
    for (const { vote } of Object.values(notes.ballots)) {
      if (vote === null) continue;
      confidence =
        vote.confidence < confidence || Number.isNaN(confidence) ? vote.confidence : confidence;
      isSure &&= vote.isSure;
    }
    return { imputed: notes.imputed, confidence, isSure };
  }

  #of(request: number): Notes {
    const serial = this.table.serial[request];
    let notes = this.#notes.get(request);
    if (notes?.serial !== serial) {
      notes = { serial, imputed: 0, ballots: [] };
      this.#notes.set(request, notes);
    }
    return notes;
  }
}
