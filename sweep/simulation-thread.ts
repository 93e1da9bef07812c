/** The work of a simulation thread. The sweep comes once, as worker data; requests are numbers. */
import { workerData } from "node:worker_threads";
import { importTexts } from "../build/import-text.ts";
import { loadHighs } from "../build/load-highs.ts";
import { Fault } from "../engine/basics/fault.ts";
import { hungCall } from "../schedulers/own-calls.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import { asksForSolver, useSolver } from "../schedulers/rules/solver.ts";
import type { Part } from "./configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "./configuration-work.ts";
import { tellHang } from "./hung-threads.ts";
import { recordLine } from "./records.ts";

/** Records as lines, in the order of a group, and the time that all took. */
export interface Done {
  readonly lines: readonly string[];
  readonly ms: number;
}

/** A Fault in parts, for it loses its class between threads. */
export type Answer<T> =
  | { readonly value: T }
  | { readonly fault: Pick<Fault, "code" | "message" | "hint"> };

const opened = openWork();

async function openWork(): Promise<ConfigurationWork> {
  const plan = workerData as SweepPlan;
  const { document, schedulerFiles } = plan.loaded;
  if (asksForSolver(document, schedulerFiles)) useSolver(await loadHighs());
  if (schedulerFiles === undefined) return new ConfigurationWork(plan);
  const own = await importTexts(schedulerFiles, ownScheduler);
  return new ConfigurationWork({ ...plan, loaded: { ...plan.loaded, own } });
}

async function answer<T>(run: (work: ConfigurationWork) => T): Promise<Answer<T>> {
  try {
    return { value: run(await opened) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint } = error;
    return { fault: { code, message, hint } };
  }
}

/** The step under way. */
let step = { startMs: 0, at: (): string => "" };

tellHang(() => {
  const call = hungCall(performance.now() - step.startMs);
  return call === null ? null : `${step.at()}${call}`;
});

/** The result of steps of a configuration's work. */
function finished<T>(work: ConfigurationWork, index: number, steps: Generator<unknown, T>): T {
  const at = (): string => (work.count === 1 ? "" : `at ${work.id(index)}, `);
  for (;;) {
    step = { startMs: performance.now(), at };
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Whole configurations. */
export function group(indices: readonly number[]): Promise<Answer<Done>> {
  return answer((work) => {
    const start = performance.now();
    const lines = indices.map((index) => recordLine(finished(work, index, work.whole(index))));
    return { lines, ms: performance.now() - start };
  });
}

/** Replications first .. end − 1 of one configuration. */
export function part([index, first, end]: readonly [number, number, number]): Promise<
  Answer<Part>
> {
  return answer((work) => finished(work, index, work.part(index, first, end)));
}
