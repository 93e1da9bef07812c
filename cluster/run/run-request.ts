/** The start of a run, its costs, and its report: the bodies of POST and GET /run. */

import { performance } from "node:perf_hooks";
import { z } from "zod";
import type { RunSummary } from "../../core/metrics/summary.ts";
import type { GanttBar } from "../../core/results.ts";
import { schedulerSchema } from "../../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../../core/scenario/schema.ts";

export const runRequestSchema = z.strictObject({
  seed: z.string().describe("of all that is drawn for the run's requests"),
  warmupUs: z.number().nonnegative().default(0).describe("requests before it are not counted"),
  startAtMonotonicNs: z
    .number()
    .positive()
    .optional()
    .describe("the run's time 0 on this machine's monotonic clock; default: now"),
  scheduler: schedulerSchema.optional(),
  closeUs: z.number().positive().optional().describe("the measured window ends here"),
  closeAfterRequests: z.int().positive().optional().describe("or with so many arrivals"),
  log: z.boolean().default(false).describe("keep a log for GET /run/log"),
  triedAgain: z.boolean().default(false).describe("a request's number may come several times"),
  warmUp: z.boolean().default(false).describe("replayed batches take 2 ms at most"),
  boundQueue: z.boolean().default(false).describe("refuse what would wait too long"),
});

/** Times are the scenario's. */
export type RunRequest = Readonly<z.input<typeof runRequestSchema>>;
/** A request with its defaults. */
export type RunSettings = Readonly<z.output<typeof runRequestSchema>>;

/** A schema that documents parts of a type. */
const partsOf = <T>(schema: z.ZodType) => schema as z.ZodType<T>;

/** How a run goes so far. */
export const runReportSchema = z
  .looseObject({
    idle: z.boolean(),
    inSystem: z.int(),
    summary: partsOf<RunSummary>(z.looseObject({ requests: z.int() })),
    eventLoopDelay: z.strictObject({ p50Ms: z.number(), p99Ms: z.number(), maxMs: z.number() }),
    costs: partsOf<GatewayCosts>(
      z.looseObject({ arrivals: z.int(), dispatches: z.int(), completions: z.int() }),
    ),
    gantt: partsOf<readonly GanttBar[]>(z.array(z.looseObject({}))),
    workerRoundTripUs: z
      .array(z.number())
      .describe("gateway to worker and back without the service, wall-clock µs"),
    otherSchedulers: partsOf<readonly SchedulerDocument[]>(z.array(z.unknown())).describe(
      "schedulers besides the run's first, by their numbers in the log",
    ),
    replicas: z.array(z.looseObject({ name: z.string(), up: z.boolean(), losses: z.int() })),
  })
  .describe("so far");

export type RunReport = Readonly<z.output<typeof runReportSchema>>;

export type MessageKind = "arrival" | "dispatch" | "completion";

/** Times are the wall clock's, µs; 0 where there was no such message. */
export type GatewayCosts = Readonly<ReturnType<RunCosts["summary"]>>;

/** Times handlers one by one. The rest of the loop's busy time is shared by the messages received. */
export class RunCosts {
  readonly #handlerUs = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #counts = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #loop = performance.eventLoopUtilization();

  add(kind: MessageKind, handlerUs: number): void {
    this.#handlerUs[kind] += handlerUs;
    this.#counts[kind]++;
  }

  summary() {
    const activeUs = performance.eventLoopUtilization(this.#loop).active * 1000;
    const { arrival, dispatch, completion } = this.#handlerUs;
    const received = this.#counts.arrival + this.#counts.completion;
    const outsideUs = Math.max(0, activeUs - arrival - dispatch - completion);
    const receiveUs = received === 0 ? 0 : outsideUs / received;
    const mean = (kind: MessageKind): number =>
      this.#counts[kind] === 0 ? 0 : this.#handlerUs[kind] / this.#counts[kind];
    return {
      // Busy time of the event loop per message.
      arrivalUs: receiveUs + mean("arrival"),
      dispatchUs: mean("dispatch"),
      completionUs: receiveUs + mean("completion"),
      // The part of an arrival or a completion before its handler runs: reading and decoding.
      receiveUs,
      arrivals: this.#counts.arrival,
      dispatches: this.#counts.dispatch,
      completions: this.#counts.completion,
    };
  }
}
