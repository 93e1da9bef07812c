/** A run's draws, by request number and by slot, and the caches by content that they decide. */

import { assert, Fault } from "../../engine/basics/fault.ts";
import type { Prompt } from "../../engine/dispatch/driver.ts";
import { JOB, type RequestTable } from "../../engine/dispatch/request-table.ts";
import { NO_LABEL } from "../../engine/dispatch/variants.ts";
import {
  AnswerDraws,
  CACHE_HIT,
  KEYED,
  LOOKED_UP,
  RequestDraws,
  WHEN_HOLDS,
} from "../../engine/requests/draws.ts";
import {
  type ContentCache,
  contentCaches,
  isWhole,
} from "../../engine/requests/prediction-cache.ts";
import { type JobLengths, TokenLengths } from "../../engine/requests/token-lengths.ts";
import type { System } from "../../engine/system/system.ts";
import { writes } from "../../engine/system/writers.ts";
import { replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { TokenOrder } from "../protocol/messages.ts";
import {
  contentsHash,
  type LiveRequest,
  ownResult,
  type Submission,
  type TaskResult,
  unservedAt,
} from "./live-request.ts";

/** How far ahead of the highest number so far a request's number may be. */
const MAX_AHEAD = 100_000;

/** A client that gives no limit gets so many tokens. */
const DEFAULT_MAX_TOKENS = 128;

type Draws = ReturnType<ReturnType<typeof drawSeries>["next"]>;

/** One series of requests' draws, with those of ensembles' answers. */
function drawSeries(system: System, seed: string) {
  const { stride, pipelines } = system;
  const requests = new RequestDraws(system, seed);
  const votes = pipelines.some(({ ensembles }) => ensembles.length > 0);
  const answers = votes ? new AnswerDraws(system, seed) : null;
  const lengths = TokenLengths.for(system, seed);
  lengths?.grow(stride);
  return {
    requests,
    /** Null where no ensemble votes. */
    answers,
    /** A request's draws by task, of which each has `width` variates. */
    next(pipeline = requests.pipeline()) {
      const draws = {
        pipeline,
        flags: new Uint8Array(stride),
        variates: new Float64Array(stride * requests.width),
        /** Contents, by the tasks that are caches. */
        keys: new Int32Array(stride),
        /** Variates of the answers of ensembles' members. */
        numbers: new Float64Array(stride),
        wrongs: new Float64Array(stride),
        /** From its arrival to its deadline, µs. */
        goalUs: 0,
        /** Tokens of the jobs of language models; null where there are none. */
        lengths: null as JobLengths | null,
      };
      requests.draw(pipeline, 0, draws.flags, draws.variates);
      if (requests.hasKeys) requests.drawKeys(pipeline, 0, draws.keys);
      answers?.draw(pipeline, 0, draws.numbers, draws.wrongs);
      draws.goalUs = requests.goalUs(pipeline);
      lengths?.draw(pipeline, 0, draws.flags);
      draws.lengths = lengths?.drawnFor(0, stride) ?? null;
      return draws;
    },
  };
}

interface DrawOptions {
  readonly system: System;
  readonly backend: BackendName;
  readonly seed: string;
  /** Clients try again: a request's number may come several times. */
  readonly triedAgain: boolean;
}

/** Draws requests in the order of their numbers, so that request n is the same as in the simulator. */
export class RunDraws {
  readonly #options: DrawOptions;
  readonly #numbered: ReturnType<typeof drawSeries>;
  readonly #others: ReturnType<typeof drawSeries>;
  /** Drawn and not yet used; with `triedAgain`, also the latest used. */
  readonly #waiting = new Map<number, Draws>();
  #drawn = 0;
  /** By slot, which the dispatcher uses again. */
  readonly #taken: Draws[] = [];
  readonly #cache: ReturnType<typeof answerCache>;

  constructor(options: DrawOptions) {
    const { system, backend, seed } = options;
    this.#options = options;
    this.#cache = answerCache(system, replays(backend));
    this.#numbered = drawSeries(system, seed);
    this.#others = drawSeries(system, `${seed}/unnumbered`);
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

  /** A request without a number of its own and its pipeline gets draws of a separate stream. */
  take({ index, pipeline }: Pick<Submission, "index" | "pipeline">, slot: number): Draws {
    const own = index === null ? undefined : this.#numberedAt(index);
    const draws = own?.pipeline === pipeline ? own : this.#others.next(pipeline);
    this.#taken[slot] = draws;
    return draws;
  }

  #numberedAt(index: number): Draws | undefined {
    const { triedAgain } = this.#options;
    for (; this.#drawn <= index; this.#drawn++) {
      this.#waiting.set(this.#drawn, this.#numbered.next());
    }
    const draws = this.#waiting.get(index);
    this.#waiting.delete(triedAgain ? index - MAX_AHEAD : index);
    // Each attempt looks into the caches anew.
    return draws && triedAgain ? { ...draws, flags: draws.flags.slice() } : draws;
  }

  /** The variate of a request's task in the pool that runs it. */
  variate(slot: number, task: number, pool: number): number {
    return this.#taken[slot].variates[this.#numbered.requests.variateAt(task, pool)];
  }

  /**
   * The lengths of a request's task for a language model; null for other tasks. They are drawn for requests of a run; to
   * a real model any other request says what it wants.
   */
  tokens({ slot, pipeline, index, maxTokens }: LiveRequest, task: number): TokenOrder | null {
    const { system, backend } = this.#options;
    const { priority, tasks } = system.pipelines[pipeline];
    const { lengths } = this.#taken[slot];
    const { tokens, continuation, successors } = tasks[task];
    if (lengths === null || (tokens === null && continuation === null)) return null;
    const goesOn = successors.some((next) => tasks[next].continuation?.task === task);
    const part = {
      ...(goesOn ? { goesOn } : {}),
      ...(continuation === null ? {} : { continues: true }),
    };
    const whose = { priority, client: pipeline, beginning: lengths.beginning[task], ...part };
    if (backend === "engines" && index === null) {
      return { ...whose, prompt: null, output: maxTokens ?? DEFAULT_MAX_TOKENS };
    }
    return { ...whose, prompt: lengths.prompt[task], output: lengths.output[task] };
  }

  /** A text of a client is taken to have a token in four bytes. */
  prompt(request: LiveRequest, task: number): Prompt | null {
    const order = this.tokens(request, task);
    if (order === null) return null;
    const { prompt, beginning } = order;
    if (prompt !== null) return { tokens: prompt, beginning };
    return { tokens: Math.ceil(request.payload.length / 4), beginning: -1 };
  }

  /** Real outputs decide a condition on labels, and texts of real engines for clients; the draws decide all others. */
  holds(request: LiveRequest, task: number, { state, stride }: RequestTable): boolean {
    const base = request.slot * stride;
    const { system, backend } = this.#options;
    const { predecessors, skippedBy, whenContains } =
      system.pipelines[request.pipeline].tasks[task];
    const skipped = skippedBy.some(
      (cache) => state[base + cache] === JOB.ran && this.#isHit(request, cache),
    );
    if (skipped) return false;
    const { tasks } = system.pipelines[request.pipeline];
    if (whenContains !== null && backend === "engines" && request.index === null) {
      const writers = predecessors.filter((p) => writes(tasks[p]));
      const texts = writers.map((p) => writtenIn(request.results[p]));
      if (texts.length > 0) return texts.some((text) => text.includes(whenContains));
    }
    if (!replays(backend) && whenContains !== null) {
      return predecessors.some((p) => {
        const { ensemble } = tasks[p];
        const answer = request.results[ensemble < 0 ? p : tasks.length + ensemble];
        return answer?.labels.includes(whenContains) ?? false;
      });
    }
    return (this.#taken[request.slot].flags[task] & WHEN_HOLDS) !== 0;
  }

  /** The label of a member's drawn answer. */
  label({ pipeline, slot }: LiveRequest, task: number): number {
    const { numbers, wrongs } = this.#taken[slot];
    const { answers } = this.#numbered;
    return answers?.label(pipeline, task, numbers[task], wrongs[task]) ?? NO_LABEL;
  }

  /** Looks into a cache by content once for each request. */
  #isHit(request: LiveRequest, cache: number): boolean {
    const { flags, keys } = this.#taken[request.slot];
    if ((flags[cache] & (KEYED | LOOKED_UP)) === KEYED) {
      const isHit = this.#cache.lookUp(request, cache, keys[cache]);
      flags[cache] |= isHit ? LOOKED_UP | CACHE_HIT : LOOKED_UP;
    }
    return (flags[cache] & CACHE_HIT) !== 0;
  }

  /** A request was completed: caches by content have its answer from now on. */
  keepAnswer(request: LiveRequest, { state, stride }: RequestTable): void {
    const { flags, keys } = this.#taken[request.slot];
    for (const [task, bits] of flags.entries()) {
      if ((bits & (LOOKED_UP | CACHE_HIT)) !== LOOKED_UP) continue;
      this.#cache.keep(request, task, keys[task], state, request.slot * stride);
    }
  }
}

/** Gives the text of a language model, or an empty one where it did not run. */
function writtenIn(result: TaskResult | null): string {
  const { value } = JSON.parse(result?.text ?? "{}") as { value?: { text?: string } | null };
  return value?.text ?? "";
}

type Content = number | string;
type Kept = readonly (readonly [task: number, result: TaskResult | null])[];
type Cached = Pick<LiveRequest, "pipeline" | "payload" | "tensors" | "results">;

/**
 * Results of tasks by the content of their requests: a hit gives a request the results of the tasks that it
 * skips. A replay has no contents: there the drawn ones count, so that it hits as the simulator does.
 */
export function answerCache(system: System, isReplay: boolean) {
  const caches = contentCaches<Content, Kept>(system);
  const hashes = new WeakMap<Cached, string>();
  const at = ({ pipeline }: Cached, cache: number): ContentCache<Content, Kept> => {
    const found = caches[pipeline][cache];
    assert(found !== null, "only a cache by content is looked into");
    return found;
  };
  const contentOf = (request: Cached, drawn: number): Content => {
    if (isReplay) return drawn;
    const hash = hashes.get(request) ?? contentsHash(request);
    hashes.set(request, hash);
    return hash;
  };
  return {
    /** Whether the answer is there; then the request gets its results. `drawn` is its drawn content. */
    lookUp(request: Cached, cache: number, drawn: number): boolean {
      const kept = at(request, cache).answers.get(contentOf(request, drawn));
      for (const [task, result] of kept ?? []) request.results[task] = result;
      return kept !== undefined;
    },
    /** Keeps the results of a completed request, whose jobs are in these states from `base`. */
    keep(request: Cached, cache: number, drawn: number, state: Int32Array, base: number): void {
      const { answers, skipped } = at(request, cache);
      if (!isWhole(state, base, skipped)) return;
      const kept = skipped.map((task) => {
        const result = request.results[task] ?? null;
        if (result === null) return [task, null] as const;
        // A replica ran it for another request: no time of this one.
        const timing = { ...unservedAt(0), replica: result.timing.replica };
        return [task, { ...ownResult(result), timing }] as const;
      });
      answers.set(contentOf(request, drawn), kept);
    },
  };
}
