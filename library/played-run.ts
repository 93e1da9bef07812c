/** The beginning of one run, batch by batch, for a page that plays it. */
import { compileSystem } from "../core/compile.ts";
import type { Outcome } from "../core/dispatch/driver.ts";
import { observeRun } from "../core/observed-run.ts";
import { RunLog } from "../core/run-log.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { runReplication } from "../sim/replication.ts";

/** The first replication of the scenario as it stands, without its sweep. Times count from the run's start. */
export interface PlayedRun {
  readonly replicas: readonly { readonly name: string; readonly task: string }[];
  /** In order of arrival; bars name requests by their place here. */
  readonly requests: readonly PlayedRequest[];
  readonly bars: readonly PlayedBatch[];
}

export interface PlayedRequest {
  readonly pipeline: string;
  readonly arrivedMs: number;
  /** Null: it had not ended when the run was cut. */
  readonly endedMs: number | null;
  readonly outcome: Outcome | null;
}

export interface PlayedBatch {
  readonly task: string;
  readonly replica: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly requests: readonly number[];
}

/** A run is cut here, some milliseconds of work. */
const MOST_EVENTS = 30_000;
const MOST_BATCHES = 3000;

/** At most `most` requests. Deterministic. Throws Fault("invalid-input") as the simulator does. */
export function playedRun(scenario: LoadedScenario, most: number): PlayedRun {
  const { document } = scenario;
  const system = compileSystem(document, scenario);
  const log = new RunLog();
  const options = { log, ganttBars: MOST_BATCHES, maxEvents: MOST_EVENTS };
  const { gantt } = runReplication(document, scenario, 0, options);
  const requests = observeRun(log, system).requests.slice(0, most);
  const taskOf = (pool: string): string => pool.replace(/@.*$/, "");
  return {
    replicas: system.replicas.map(({ name, pool }) => ({
      name,
      task: taskOf(system.pools[pool].name),
    })),
    requests: requests.map(({ pipeline, arrivedUs, endUs, outcome }) => ({
      pipeline: system.pipelines[pipeline].name,
      arrivedMs: arrivedUs / 1000,
      endedMs: Number.isNaN(endUs) ? null : endUs / 1000,
      outcome,
    })),
    bars: gantt.flatMap(({ task, replica, startMs, endMs, requests: all }) => {
      const own = all.filter((request) => request < most);
      return own.length === 0
        ? []
        : [{ task: taskOf(task), replica, startMs, endMs, requests: own }];
    }),
  };
}
