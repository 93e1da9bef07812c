/**
 * The gateway in virtual time beside the simulator: with links that cost nothing, the same arrivals and the same draws,
 * the two drivers must get the same commands from the dispatcher, event by event.
 */
import { runRequestSchema } from "../../cluster/run/specification.ts";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import { instantOf, type LogEntry, RunLog } from "../../engine/dispatch/run-log.ts";
import type { RunSummary } from "../../engine/metrics/summary.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { RequestDraws } from "../../engine/requests/draws.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../../sim/replication.ts";
import { Calendar, CalendarClock } from "./calendar.ts";
import { NO_FAULTS, type VirtualWorld } from "./links.ts";
import { virtualGateway } from "./virtual-gateway.ts";
import { VirtualWorker } from "./workers.ts";

/** Everything is up by then, µs. */
const START_US = 60_000_000;

/** The gateway takes them one after the other. */
const TIE = "two events at one instant";
const BEGIN = "timers that count from the run's begin";

export interface Compared {
  /** Entries of the simulator's log that are the same. */
  readonly same: number;
  /** All of them. */
  readonly entries: number;
  /** The first that differs; null: none does. */
  readonly difference: {
    readonly simulated: string;
    readonly served: string;
    /** Why the two are other runs from here on; null: they should not be. */
    readonly because: typeof TIE | typeof BEGIN | null;
  } | null;
}

/** Rejects with what `Gateway` throws. */
export async function compareDecisions(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): Promise<Compared> {
  const simulated = new RunLog();
  runReplication(document, inputs, 0, { log: simulated });
  const { log: served } = await servedRun(document, inputs);
  const [expected, found] = [simulated, served].map(decisions);
  const [texts, others] = [expected, found].map((log) => log.map((entry) => entry.join(" ")));
  const entries = texts.length;
  const at = texts.findIndex((text, i) => text !== others[i]);
  if (at < 0 && others.length === entries) return { same: entries, entries, difference: null };
  const same = at < 0 ? entries : at;
  const [own = "its end", other = "its end"] = [texts[same], others[same]];
  const because = isFromTheBegin(own, other) ? BEGIN : isShared(expected, same) ? TIE : null;
  return { same, entries, difference: { simulated: own, served: other, because } };
}

/** A run begins some µs after its time 0, as each replica that joins has an instant of its own. */
function isFromTheBegin(simulated: string, served: string): boolean {
  const [[kind, timer, atUs], [other, same, laterUs]] = [simulated, served].map((entry) =>
    entry.split(" "),
  );
  const byUs = Number(laterUs) - Number(atUs);
  const isWake = kind.startsWith("wake") && kind === other && timer === same;
  return isWake && byUs > 0 && byUs < 100;
}

/** Whether the entry's instant has two events of the world in the log. */
function isShared(log: readonly LogEntry[], at: number): boolean {
  const entry = log[at];
  const nowUs = entry && instantOf(entry);
  const events = log.filter((one) => WORLD.has(one[0]) && instantOf(one) === nowUs);
  return nowUs !== undefined && events.length > 1;
}

const WORLD: ReadonlySet<string> = new Set(["arrive", "finish", "wake", "join"]);

/** From the first arrival on: before it, replicas join at instants of the start. Without marks of who looked when. */
function decisions(log: RunLog): readonly LogEntry[] {
  const first = log.entries.findIndex(([kind]) => kind === "arrive");
  return log.entries
    .slice(Math.max(0, first))
    .filter(([kind]) => kind !== "served" && kind !== "decide");
}

/** A run of the gateway, and what it measured. */
export async function servedRun(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication = 0,
): Promise<{ readonly log: RunLog; readonly summary: RunSummary }> {
  const seed = replicationSeed(document.run.seed, replication);
  const system = compileSystem(document, inputs);
  const calendar = new Calendar();
  const clock = new CalendarClock(calendar);
  const world: VirtualWorld = {
    ...{ calendar, faults: NO_FAULTS, chance: new RandomStream(seed, "links") },
    violated: (what) => {
      throw new Error(what);
    },
  };
  const workers = [new VirtualWorker(world, system)];
  const workerOf = system.replicas.map(() => 0);
  const gateway = virtualGateway({ document, seed, clock, world, workers, workerOf, bounds: {} });
  const startAtMonotonicNs = START_US * 1000;
  calendar.set(START_US - 1000, () =>
    gateway.reset(runRequestSchema.parse({ seed, log: true, startAtMonotonicNs })),
  );
  while (calendar.nowUs() < START_US - 1000) calendar.step();
  const run = gateway.run;
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const arrivals = arrivalSource(workload, seed, traceUs);
  const draws = new RequestDraws(system, seed);
  let index = 0;
  const arrive = (): void => {
    const own = index++;
    arrivals.advance();
    follow();
    gateway.submit({
      ...{ pipeline: draws.pipeline(), payload: new Uint8Array(0), index: own, intendedUs: null },
      answer: () => undefined,
    });
  };
  const follow = (): void => {
    if (Number.isFinite(arrivals.nextUs)) calendar.set(START_US + arrivals.nextUs, arrive);
  };
  follow();
  while (!(run.idle && !Number.isFinite(arrivals.nextUs)) && calendar.step()) await null;
  const log = run.options.log as RunLog;
  const { summary } = gateway.report();
  await gateway.close();
  return { log, summary };
}
