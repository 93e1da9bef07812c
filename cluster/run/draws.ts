/** A run's draws: by request number, and by job while a request is in the system. */
import { AnswerDraws } from "../../core/answer-draws.ts";
import { NO_LABEL } from "../../core/dispatch/ensembles.ts";
import { JOB, type RequestTable } from "../../core/dispatch/request-table.ts";
import { Fault } from "../../core/fault.ts";
import { CACHE_HIT, KEYED, LOOKED_UP, RequestDraws, WHEN_HOLDS } from "../../core/request-draws.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System } from "../../core/system.ts";
import { AnswerCache } from "./answer-cache.ts";
import type { LiveRequest, Submission } from "./live-request.ts";

/** How far ahead of the highest number so far a request's number may be. */
const MAX_AHEAD = 100_000;

/** Draws by job, of which each has `width` variates. */
interface JobDraws {
  readonly flags: Uint8Array;
  readonly variates: Float64Array;
  /** Contents, by the tasks that are caches. */
  readonly keys: Int32Array;
  /** Variates of the answers of ensembles' members. */
  readonly numbers: Float64Array;
  readonly wrongs: Float64Array;
}

function jobDraws(jobs: number, width: number): JobDraws {
  return {
    flags: new Uint8Array(jobs),
    variates: new Float64Array(jobs * width),
    keys: new Int32Array(jobs),
    numbers: new Float64Array(jobs),
    wrongs: new Float64Array(jobs),
  };
}

/** Copies draws to the jobs from `base`. */
function copyDraws(from: JobDraws, to: JobDraws, base: number, width: number): void {
  to.flags.set(from.flags, base);
  to.variates.set(from.variates, base * width);
  to.keys.set(from.keys, base);
  to.numbers.set(from.numbers, base);
  to.wrongs.set(from.wrongs, base);
}

/** One series of requests' draws, with those of ensembles' answers. */
class DrawSeries {
  readonly requests: RequestDraws;
  /** Null where no ensemble votes. */
  readonly answers: AnswerDraws | null;

  constructor(system: System, seed: string) {
    this.requests = new RequestDraws(system, seed);
    const votes = system.pipelines.some(({ ensembles }) => ensembles.length > 0);
    this.answers = votes ? new AnswerDraws(system, seed) : null;
  }

  /** Draws the next request for the jobs from `base`; returns the time to its deadline, µs. */
  draw(pipeline: number, base: number, jobs: JobDraws): number {
    const { requests } = this;
    requests.draw(pipeline, base, jobs.flags, jobs.variates);
    if (requests.hasKeys) requests.drawKeys(pipeline, base, jobs.keys);
    this.answers?.draw(pipeline, base, jobs.numbers, jobs.wrongs);
    return requests.goalUs(pipeline);
  }
}

interface Row {
  readonly pipeline: number;
  readonly jobs: JobDraws;
  readonly goalUs: number;
}

/**
 * The draws of requests by number, made in the order of the numbers, in whatever order requests reach
 * the gateway. So request n is the same as in the simulator.
 */
export class DrawBook {
  readonly #numbered: DrawSeries;
  readonly #others: DrawSeries;
  readonly #stride: number;
  /** Variates of a job. */
  readonly width: number;
  /** Drawn and not yet used; with `triedAgain`, also the latest used. */
  readonly #rows = new Map<number, Row>();
  readonly #triedAgain: boolean;
  #drawn = 0;

  /** `triedAgain`: a number may come several times, and has the same draws each time. */
  constructor(system: System, seed: string, triedAgain = false) {
    this.#triedAgain = triedAgain;
    this.#numbered = new DrawSeries(system, seed);
    this.#others = new DrawSeries(system, `${seed}/unnumbered`);
    this.#stride = system.stride;
    this.width = this.#numbered.requests.width;
  }

  variateAt(job: number, pool: number): number {
    return this.#numbered.requests.variateAt(job, pool);
  }

  label(pipeline: number, task: number, number: number, wrong: number): number {
    return this.#numbered.answers?.label(pipeline, task, number, wrong) ?? NO_LABEL;
  }

  /** Throws Fault("invalid-input") for a number that cannot be one of this run. */
  check(index: number | null): void {
    if (index === null) return;
    if (!Number.isInteger(index) || index < 0 || index >= this.#drawn + MAX_AHEAD) {
      throw new Fault("invalid-input", `request index ${index} is out of range`, {
        hint: `a run numbers its requests from 0; at most ${MAX_AHEAD} may be missing`,
      });
    }
  }

  /**
   * Writes the draws of request `index` to the jobs from `base`; returns the time from its arrival to its
   * deadline, µs. A request without a number, or with the number of an earlier request or of another
   * pipeline's, gets draws of a separate stream.
   */
  take(index: number | null, pipeline: number, base: number, jobs: JobDraws): number {
    const row = index === null ? undefined : this.#row(index);
    if (row?.pipeline !== pipeline) return this.#others.draw(pipeline, base, jobs);
    copyDraws(row.jobs, jobs, base, this.width);
    return row.goalUs;
  }

  #row(index: number): Row | undefined {
    while (this.#drawn <= index) {
      const pipeline = this.#numbered.requests.pipeline();
      const jobs = jobDraws(this.#stride, this.width);
      const goalUs = this.#numbered.draw(pipeline, 0, jobs);
      this.#rows.set(this.#drawn++, { pipeline, jobs, goalUs });
    }
    const row = this.#rows.get(index);
    if (!this.#triedAgain) this.#rows.delete(index);
    else this.#rows.delete(index - MAX_AHEAD);
    return row;
  }
}

interface DrawOptions {
  readonly system: System;
  readonly backend: BackendName;
  readonly seed: string;
  /** Clients try again: a request's number may come several times. */
  readonly triedAgain: boolean;
}

/** The draws of the requests in the system, by job: the dispatcher reuses slots. */
export class RunDraws {
  readonly #options: DrawOptions;
  readonly #book: DrawBook;
  #jobs = jobDraws(0, 1);
  readonly #cache: AnswerCache;

  constructor(options: DrawOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.system, options.backend === "replay");
    this.#book = new DrawBook(options.system, options.seed, options.triedAgain);
  }

  /** Throws Fault("invalid-input") for a number that cannot be one of this run. */
  check(index: number | null): void {
    this.#book.check(index);
  }

  /** Draws for a request in a slot; returns the time from its arrival to its deadline, µs. */
  take({ index, pipeline }: Submission, slot: number, { capacity, stride }: RequestTable): number {
    const jobs = capacity * stride;
    if (this.#jobs.flags.length < jobs) {
      const more = jobDraws(jobs, this.#book.width);
      copyDraws(this.#jobs, more, 0, this.#book.width);
      this.#jobs = more;
    }
    return this.#book.take(index, pipeline, slot * stride, this.#jobs);
  }

  /** The variate of a job in the pool that runs it. */
  variate(job: number, pool: number): number {
    return this.#jobs.variates[this.#book.variateAt(job, pool)];
  }

  /** Real outputs decide a condition on labels; the draws decide all others. */
  holds(request: LiveRequest, task: number, { state, stride }: RequestTable): boolean {
    const base = request.slot * stride;
    const { system, backend } = this.#options;
    const { predecessors, skippedBy, whenContains } =
      system.pipelines[request.pipeline].tasks[task];
    const skipped = skippedBy.some(
      (cache) => state[base + cache] === JOB.ran && this.#isHit(request, cache, base + cache),
    );
    if (skipped) return false;
    if (backend !== "replay" && whenContains !== null) {
      const { tasks } = system.pipelines[request.pipeline];
      return predecessors.some((p) => {
        const { ensemble } = tasks[p];
        const answer = request.results[ensemble < 0 ? p : tasks.length + ensemble];
        return answer?.labels.includes(whenContains) ?? false;
      });
    }
    return (this.#jobs.flags[base + task] & WHEN_HOLDS) !== 0;
  }

  /** The label of a member's drawn answer. */
  label(pipeline: number, task: number, job: number): number {
    const { numbers, wrongs } = this.#jobs;
    return this.#book.label(pipeline, task, numbers[job], wrongs[job]);
  }

  /** Looks into a cache by content once for each request. */
  #isHit(request: LiveRequest, cache: number, job: number): boolean {
    if ((this.#jobs.flags[job] & (KEYED | LOOKED_UP)) === KEYED) {
      const isHit = this.#cache.lookUp(request, cache, this.#jobs.keys[job]);
      this.#jobs.flags[job] |= isHit ? LOOKED_UP | CACHE_HIT : LOOKED_UP;
    }
    return (this.#jobs.flags[job] & CACHE_HIT) !== 0;
  }

  /** A request was completed: caches by content have its answer from now on. */
  keepAnswer(request: LiveRequest, { state, stride }: RequestTable): void {
    const base = request.slot * stride;
    this.#options.system.pipelines[request.pipeline].tasks.forEach((_, task) => {
      const isMiss = (this.#jobs.flags[base + task] & (LOOKED_UP | CACHE_HIT)) === LOOKED_UP;
      if (isMiss) this.#cache.keep(request, task, this.#jobs.keys[base + task], state, base);
    });
  }
}
