/**
 * The real gateway's code in virtual time, against a plan: whole runs to the last answer, and what must hold of each:
 *
 *   each accepted request is answered once, with its own answer; no batch goes to a dead worker, and none twice to a
 *   busy replica; the budget of retries is kept; the log replays to the same decisions; in the end nothing waits, runs,
 *   holds the memory of an engine or is still to ring
 */
import { createHash } from "node:crypto";
import type { Gateway } from "../../cluster/run/gateway.ts";
import type { Answer } from "../../cluster/run/live-request.ts";
import { runRequestSchema } from "../../cluster/run/specification.ts";
import { Fault } from "../../engine/basics/fault.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { replayLog } from "../../engine/record/replay.ts";
import type { System } from "../../engine/system/system.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { Calendar, CalendarClock } from "./calendar.ts";
import type { VirtualWorld } from "./links.ts";
import type { Happening, Plan } from "./plan.ts";
import { INPUTS, virtualGateway } from "./virtual-gateway.ts";
import { VirtualWorker } from "./workers.ts";

/** All faults are over by the last request and some seconds; then everything has an end within so long. */
const PATIENCE_S = 300;
/** Ways are short, so that one late batch does not take longer than a run. */
const BOUNDS = {
  batchTimeoutMs: 500,
  batchTimeoutFactor: 10,
  outageMs: 2000,
  retryTokens: 4,
  retryTokenRatio: 0.02,
};

/** Promises that an event resolved call back before the next event. */
const SETTLED = Promise.resolve();

export interface Played {
  readonly violations: readonly string[];
  readonly answers: Readonly<Record<string, number>>;
  readonly refused: number;
  /** Entries of the log. */
  readonly decisions: number;
  /** It covers all decisions and answers; runs of one plan have the same. */
  readonly digest: string;
}

interface Asked {
  readonly index: number;
  readonly isNumbered: boolean;
  answers: number;
}

export async function play(plan: Plan): Promise<Played> {
  const run = new PlayedRun(plan);
  const found = await run.played();
  const left = await run.close();
  return { ...found, violations: [...found.violations, ...left] };
}

/** Answers that nobody waits for, and what is told again, are on their way for less, s: then engines keep nothing. */
const ANSWER_S = 30;

class PlayedRun {
  readonly #plan: Plan;
  readonly #calendar = new Calendar();
  readonly #clock = new CalendarClock(this.#calendar);
  readonly #violations: string[] = [];
  readonly #workers: readonly VirtualWorker[];
  readonly #gateway: Gateway;
  readonly #asked: Asked[] = [];
  readonly #answers: Record<string, number> = {};
  readonly #hash = createHash("sha256");
  #refused = 0;
  #isOver = false;

  constructor(plan: Plan) {
    const { seed, document, workerOf, faults, boundQueue } = plan;
    this.#plan = plan;
    const system = compileSystem(document, INPUTS);
    const world: VirtualWorld = {
      calendar: this.#calendar,
      chance: new RandomStream(`dst/${seed}`, "chance"),
      faults,
      violated: (what) => this.#violations.push(what),
    };
    this.#workers = Array.from(new Set(workerOf), () => new VirtualWorker(world, system));
    this.#gateway = virtualGateway({
      document,
      inputs: INPUTS,
      seed: `${seed}`,
      clock: this.#clock,
      world,
      workerOf,
      workers: this.#workers,
      bounds: BOUNDS,
    });
    this.#gateway.reset(runRequestSchema.parse({ seed: `${seed}`, log: true, boundQueue }));
  }

  async played(): Promise<Played> {
    const { happenings } = this.#plan;
    let left = happenings.length;
    for (const one of happenings)
      this.#calendar.set(Math.round(1e6 * one.atS), () => {
        left--;
        this.#happen(one);
      });
    const lastUs = 1e6 * Math.max(0, ...happenings.map(({ atS }) => atS));
    const run = this.#gateway.run;
    const waits = ({ answers }: Asked): boolean => answers === 0;
    const isOver = (): boolean => left === 0 && run.idle && !this.#asked.some(waits);
    while (!isOver() && this.#calendar.step(lastUs + 1e6 * PATIENCE_S)) await SETTLED;
    this.#check();
    const log = run.options.log as RunLog;
    this.#hash.update(log.toJsonLines());
    return {
      violations: this.#violations,
      answers: this.#answers,
      refused: this.#refused,
      decisions: log.entries.length,
      digest: this.#hash.digest("hex"),
    };
  }

  /** After all of it: what is still to ring, and what engines hold once the batches that nobody waits for have ended. */
  async close(): Promise<readonly string[]> {
    this.#isOver = true;
    const answeredUs = this.#calendar.nowUs() + 1e6 * ANSWER_S;
    while (this.#calendar.step(answeredUs)) await SETTLED;
    await this.#gateway.close();
    const { open } = this.#clock;
    const untilUs = this.#calendar.nowUs() + 1e6 * PATIENCE_S;
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#calendar.step(untilUs));
    return [
      ...(open === 0 ? [] : [`${open} timers are still to ring after the end`]),
      ...this.#workers.flatMap(({ taken }) =>
        taken.map((slot) => `the engine of slot ${slot} is not free after the end`),
      ),
    ];
  }

  #happen(one: Happening): void {
    switch (one.kind) {
      case "request":
        this.#ask(one);
        break;
      case "draining": {
        const worker = this.#workers[this.#plan.workerOf[one.replica]];
        const { name } = this.#gateway.system.replicas[one.replica];
        worker.drain(name);
        this.#calendar.after(1000 * one.forS, () => worker.serve(name));
        break;
      }
      case "stall":
        this.#calendar.stall(one.ms);
        break;
      case "reschedule":
        this.#gateway.reschedule(one.scheduler);
        break;
      case "dead":
      case "cut": {
        const worker = this.#workers[one.worker];
        const isDead = one.kind === "dead";
        if (isDead) worker.die();
        else worker.cut();
        this.#calendar.after(1000 * one.forS, () => (isDead ? worker.rise() : worker.heal()));
      }
    }
  }

  #ask({
    index,
    deadlineMs,
    cancelAfterMs,
    key,
    isNumbered,
  }: Happening & { kind: "request" }): void {
    const own: Asked = { index, isNumbered, answers: 0 };
    const pipelines = this.#gateway.system.pipelines.length;
    try {
      const caller = this.#gateway.submit({
        pipeline: index % pipelines,
        // Requests of one key have one content.
        payload: Buffer.from(key ?? `${index}`),
        index: isNumbered && key === undefined ? index : null,
        intendedUs: null,
        deadlineMs,
        idempotencyKey: key === undefined ? undefined : `${key}/${index % pipelines}`,
        answer: (answer) => this.#answered(own, answer),
      });
      this.#asked.push(own);
      if (cancelAfterMs === undefined) return;
      this.#calendar.after(cancelAfterMs, () => {
        if (own.answers === 0) own.answers = Number.NaN;
        caller.cancel();
      });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#refused++;
    }
  }

  #answered(own: Asked, { outcome, request, endedUs }: Answer): void {
    if (this.#isOver) return;
    own.answers++;
    this.#answers[outcome] = (this.#answers[outcome] ?? 0) + 1;
    this.#hash.update(`${own.index} ${outcome} ${endedUs}\n`);
    if (own.isNumbered && request.index !== null && request.index !== own.index)
      this.#violations.push(`request ${own.index} got the answer of ${request.index}`);
    if (outcome === "completed" && request.results.every((result) => result === null))
      this.#violations.push(`request ${own.index} is completed, and nothing ran`);
  }

  #check(): void {
    const run = this.#gateway.run;
    for (const { index, answers } of this.#asked) {
      // A client that went away is owed no answer.
      if (answers !== 1 && !Number.isNaN(answers))
        this.#violations.push(`request ${index} was answered ${answers} times`);
    }
    const { again, finished } = jobsOf(run.options.log as RunLog, strideOf(this.#gateway.system));
    // The last token may be in part another's.
    const allowed = 1 + BOUNDS.retryTokens / 2 + BOUNDS.retryTokenRatio * finished;
    if (again > allowed)
      this.#violations.push(
        `${again} jobs ran again, where the budget of retries allows ${allowed}`,
      );
    if (!run.idle) this.#violations.push(`${run.inSystem} requests still wait or run`);
    const { document, seed } = this.#plan;
    const system = this.#gateway.system;
    const log = run.options.log as RunLog;
    const fresh = (scheduler: ScenarioScheduler) => createScheduler(scheduler, system, `${seed}`);
    const { divergence } = replayLog(
      system,
      fresh(document.scheduler),
      RunLog.parse(log.toJsonLines()),
      run.schedulers.others.map(fresh),
    );
    if (divergence !== null)
      this.#violations.push(`the log replays otherwise: ${JSON.stringify(divergence)}`);
  }
}

/** Jobs of a request follow each other in the request table, whose stride is a power of two. */
function strideOf({ stride }: System): number {
  return 2 ** Math.ceil(Math.log2(stride));
}

/** Jobs that finished, and those that were started once more in the life of their request. */
function jobsOf(log: RunLog, stride: number) {
  const started = new Set<number>();
  const running = new Map<number, readonly number[]>();
  let again = 0;
  let finished = 0;
  for (const [kind, first, , ...jobs] of log.entries) {
    if (kind === "arrive") {
      for (let task = 0; task < stride; task++) started.delete(first * stride + task);
    } else if (kind === "start") {
      again += jobs.filter((job) => started.has(job)).length;
      for (const job of jobs) started.add(job);
      running.set(first, jobs);
    } else if (kind === "finish") finished += running.get(first)?.length ?? 0;
    // It never began, so nothing is done again.
    else if (kind === "miss") for (const job of running.get(first) ?? []) started.delete(job);
  }
  return { again, finished };
}

type ScenarioScheduler = Parameters<typeof createScheduler>[0];
