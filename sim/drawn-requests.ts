/**
 * Everything that is drawn for the requests in the system, by slot: branches, variates of their work, contents that
 * caches know, sizes, lengths, and answers.
 */
// Hot path: see docs/hot-path.md

import type { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type { Prompt } from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { grown, JOB, type RequestTable } from "../engine/dispatch/request-table.ts";
import {
  CACHE_HIT,
  KEYED,
  LOOKED_UP,
  MAY_BE_SKIPPED,
  RequestDraws,
  WHEN_HOLDS,
} from "../engine/requests/draws.ts";
import { type ContentCache, contentCaches, isWhole } from "../engine/requests/prediction-cache.ts";
import { type JobLengths, TokenLengths } from "../engine/requests/token-lengths.ts";
import type { SizeSource } from "../engine/service/service.ts";
import { SizedInputs } from "../engine/stations/running-batches.ts";
import type { System } from "../engine/system/system.ts";
import { placeTrace, type RequestTrace } from "./request-trace.ts";
import { type DrawnAnswers, SimulatedFeedback } from "./simulated-feedback.ts";

/** The draws of a request: its input's size, and its jobs' needs. */
export interface DrawnRequest {
  readonly flags: Uint8Array;
  readonly keys: Int32Array;
  readonly variates: Float64Array;
  /** 0 where inputs have no size. */
  readonly size: number;
  /** Null without language models. */
  readonly lengths: JobLengths | null;
  /** Numbers by which its answers are judged; null where nobody listens. */
  readonly verdicts: DrawnAnswers | null;
}

interface Drawing {
  readonly scheduler: Scheduler;
  readonly seed: string;
  /** Seed of the requests' shares of work; default: `seed`. */
  readonly workSeed?: string | undefined;
  /** Null: no request has a size. */
  readonly sizes: SizeSource | null;
  /** What requests met in a real run, in place of draws. */
  readonly trace?: RequestTrace | undefined;
}

export class DrawnRequests {
  declare private readonly system: System;
  declare private readonly requests: RequestTable;
  declare private readonly draws: RequestDraws;
  declare private readonly sizes: SizedInputs | null;
  /** Null without language models. */
  declare readonly lengths: TokenLengths | null;
  /** Null where nobody hears of answers. */
  declare readonly feedback: SimulatedFeedback | null;
  /** Whether requests have contents, sizes, lengths, drawn answers or a trace. */
  declare readonly hasExtras: boolean;
  private flags = new Uint8Array(0);
  private variates = new Float64Array(0);
  /** Contents of the requests by which caches are looked up; empty without such caches. */
  private keys = new Int32Array(0);
  declare private readonly trace: RequestTrace | null;
  /** Requests drawn so far; counted where there is a trace. */
  private traced = 0;
  declare private readonly caches: readonly (readonly (ContentCache<number, true> | null)[])[];
  declare private readonly grew: (jobs: number) => void;

  /** `grew` hears for how many jobs there is room, each time that it grows. */
  constructor(dispatcher: Dispatcher, drawing: Drawing, grew: (jobs: number) => void) {
    const { system, requests } = dispatcher;
    const { scheduler, seed, workSeed, sizes, trace = null } = drawing;
    this.system = system;
    this.requests = requests;
    this.draws = new RequestDraws(system, seed, workSeed);
    this.trace = trace;
    this.caches = contentCaches(system);
    this.grew = grew;
    this.sizes = sizes === null ? null : new SizedInputs(sizes, dispatcher);
    this.lengths = TokenLengths.for(system, seed);
    this.feedback = SimulatedFeedback.for(dispatcher, scheduler, seed);
    this.hasExtras =
      this.draws.hasKeys ||
      this.sizes !== null ||
      this.lengths !== null ||
      this.feedback !== null ||
      trace !== null;
    this.makeRoom();
  }

  /** Takes a slot. */
  reserve(): number {
    const request = this.requests.reserve();
    if (request << this.requests.shift >= this.flags.length) this.makeRoom();
    return request;
  }

  private makeRoom(): void {
    const { capacity, stride } = this.requests;
    const jobs = capacity * stride;
    this.grew(jobs);
    this.flags = grown(this.flags, new Uint8Array(jobs));
    this.variates = grown(this.variates, new Float64Array(jobs * this.draws.width));
    if (this.draws.hasKeys) this.keys = grown(this.keys, new Int32Array(jobs));
    this.lengths?.grow(jobs);
  }

  /** Draws the next request for a slot; returns its pipeline. */
  draw(request: number): number {
    const pipeline = this.draws.pipeline();
    this.draws.draw(pipeline, request << this.requests.shift, this.flags, this.variates);
    if (this.hasExtras) this.drawExtras(request, pipeline);
    return pipeline;
  }

  private drawExtras(request: number, pipeline: number): void {
    const base = request << this.requests.shift;
    if (this.draws.hasKeys) this.draws.drawKeys(pipeline, base, this.keys);
    this.sizes?.draw(request);
    this.lengths?.draw(pipeline, base, this.flags);
    this.feedback?.draw(request, pipeline);
    const traced = this.trace?.[this.traced++];
    if (traced !== undefined)
      placeTrace(traced, base, {
        flags: this.flags,
        variates: this.variates,
        width: this.draws.width,
      });
  }

  /** Time from the arrival of a pipeline's next request to its deadline, µs. */
  goalUs(pipeline: number): number {
    return this.draws.goalUs(pipeline);
  }

  /** The variate of a job in the pool that runs it. */
  variate(job: number, pool: number): number {
    return this.variates[this.draws.variateAt(job, pool)];
  }

  inputSize(request: number): number {
    return this.sizes?.of(request) ?? Number.NaN;
  }

  /** Only with language models. */
  prompt(request: number, task: number): Prompt {
    const { jobs } = this.lengths as TokenLengths;
    const job = (request << this.requests.shift) + task;
    return { tokens: jobs.prompt[job], beginning: jobs.beginning[job] };
  }

  /** Whether a task's own condition holds, and no cache before it has the answer. */
  holds(request: number, task: number): boolean {
    const flags = this.flags[(request << this.requests.shift) + task];
    if ((flags & MAY_BE_SKIPPED) === 0) return (flags & WHEN_HOLDS) !== 0;
    return (flags & WHEN_HOLDS) !== 0 && !this.isSkipped(request, task);
  }

  /** Whether a cache before the task has the answer. */
  private isSkipped(request: number, task: number): boolean {
    const { requests } = this;
    const base = request << requests.shift;
    const pipeline = requests.pipeline[request];
    return this.system.pipelines[pipeline].tasks[task].skippedBy.some((before) => {
      const cache = base + before;
      if (requests.state[cache] !== JOB.ran) return false;
      if (this.flags[cache] & KEYED) this.lookUp(cache, pipeline, before);
      return (this.flags[cache] & CACHE_HIT) !== 0;
    });
  }

  /** Looks for the answer to a request's content, once. */
  private lookUp(job: number, pipeline: number, task: number): void {
    if (this.flags[job] & LOOKED_UP) return;
    const isHit = this.caches[pipeline][task]?.answers.get(this.keys[job]) !== undefined;
    this.flags[job] |= isHit ? LOOKED_UP | CACHE_HIT : LOOKED_UP;
  }

  /** The answer to a content that was not there is from now on. */
  private keepAnswer(request: number): void {
    const { requests } = this;
    const base = request << requests.shift;
    this.caches[requests.pipeline[request]].forEach((cache, task) => {
      const isMiss = (this.flags[base + task] & (LOOKED_UP | CACHE_HIT)) === LOOKED_UP;
      if (cache === null || !isMiss || !isWhole(requests.state, base, cache.skipped)) return;
      cache.answers.set(this.keys[base + task], true);
    });
  }

  /** A batch starts; only with extras. */
  started(replica: number): void {
    this.sizes?.scale(replica);
    this.feedback?.started(replica);
  }

  /** A request is completed; only with extras. */
  completed(request: number): void {
    if (this.draws.hasKeys) this.keepAnswer(request);
    this.feedback?.completed(request);
  }

  /** The draws of a request, for another attempt. */
  drawnFor(request: number): DrawnRequest {
    const { stride } = this.requests;
    const [from, to] = [request * stride, (request + 1) * stride];
    const { width } = this.draws;
    const flags = this.flags.slice(from, to);
    // Another attempt looks again.
    const fresh = (flag: number): number => (flag & KEYED ? flag & ~(LOOKED_UP | CACHE_HIT) : flag);
    return {
      flags: this.draws.hasKeys ? flags.map(fresh) : flags,
      keys: this.keys.slice(from, to),
      variates: this.variates.slice(from * width, to * width),
      size: this.sizes?.of(request) ?? 0,
      lengths: this.lengths?.drawnFor(from, to) ?? null,
      verdicts: this.feedback?.drawnFor(request) ?? null,
    };
  }

  /** Takes a slot for one more attempt at a request. */
  reserveFor({ flags, keys, variates, size, lengths, verdicts }: DrawnRequest): number {
    const request = this.reserve();
    if (this.draws.hasKeys) this.keys.set(keys, request * flags.length);
    this.flags.set(flags, request * flags.length);
    this.variates.set(variates, request * variates.length);
    this.sizes?.place(request, size);
    if (lengths !== null) this.lengths?.place(request * flags.length, lengths);
    if (verdicts !== null) this.feedback?.place(request, verdicts);
    return request;
  }
}
