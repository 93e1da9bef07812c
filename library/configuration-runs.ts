/** One configuration of a sweep, replication by replication, each in short stretches. */
import { isSpanned } from "../core/arrivals/extent.ts";
import { comparedMetrics } from "../core/compare.ts";
import { OneRunSeries } from "../core/metrics/one-run.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import type { ConfigurationResult } from "../core/results.ts";
import { stoppingRule } from "../core/scenario/check-run.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { Configuration, Sweep } from "../core/scenario/sweep.ts";
import { FIRST_ROUND } from "../core/statistics/sequential.ts";
import { configurationLoad } from "../sim/configuration-load.ts";
import { type WarmedUp, withWarmUp } from "../sim/detect-warm-up.ts";
import { replicationSteps } from "../sim/replication.ts";
import {
  configurationResult,
  type Kept,
  keptReplications,
  type Part,
  wantedReplications,
} from "../sweep/configuration-result.ts";

/** Events between two pauses: some milliseconds. */
const EVENTS_A_STRETCH = 5000;

export class ConfigurationRuns {
  readonly index: number;
  readonly #scenario: LoadedScenario;
  readonly #configuration: Configuration;
  readonly #kept: Kept;
  readonly #summaries: RunSummary[] = [];
  #wanted: number;
  #ready: WarmedUp | undefined;
  #load: Part["load"] = null;

  /** `scenario` has passed `checkedSweep`. */
  constructor(scenario: LoadedScenario, sweep: Sweep, index: number) {
    this.index = index;
    this.#scenario = scenario;
    this.#configuration = sweep.at(index);
    const metrics = comparedMetrics(scenario.document.run);
    this.#kept = { metrics, replications: keptReplications(sweep.count, metrics.length) };
    const { run } = this.#configuration.document;
    const rule = stoppingRule(run);
    this.#wanted =
      rule === null
        ? run.replications
        : Math.min(Math.max(run.replications, FIRST_ROUND), rule.maxReplications);
  }

  get replications(): number {
    return this.#summaries.length;
  }

  get isWhole(): boolean {
    return this.replications >= this.#wanted;
  }

  /** Runs one more replication: gives undefined after each stretch, then the result so far. */
  *next(): Generator<ConfigurationResult | undefined, void, void> {
    this.#ready ??= yield* withWarmUp(this.#configuration.document, this.#scenario);
    const { document } = this.#ready;
    const { replications } = this;
    // Alone, the first run needs intervals of its own; with others, `aggregate` takes theirs.
    const isAlone = replications === 0 && isSpanned(document.workload);
    const options = { curve: true, ...(isAlone ? { latencySink: new OneRunSeries() } : {}) };
    const steps = replicationSteps(
      document,
      this.#scenario,
      replications,
      options,
      EVENTS_A_STRETCH,
    );
    const { summary } = yield* steps;
    if (replications === 0) this.#load = configurationLoad(document, this.#scenario);
    this.#summaries.push(summary);
    if (this.isWhole) this.#wanted = wantedReplications(document, this.#parts());
    yield configurationResult(this.#configuration, this.#parts(), this.#kept);
  }

  #parts(): readonly [Part] {
    const { warmUp } = this.#ready ?? {};
    const more = warmUp === undefined ? {} : { warmUp };
    return [{ summaries: this.#summaries, gantt: [], load: this.#load, ...more }];
  }
}
