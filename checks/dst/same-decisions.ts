/**
 * The gateway in virtual time beside the simulator: with links that cost nothing, the same arrivals and the same draws,
 * the two drivers must get the same commands from the dispatcher, event by event. Crashes are told to both: the
 * gateway's workers die first, and the simulator is told when it lost them and when it had them again.
 */
import { runRequestSchema } from "../../cluster/run/specification.ts";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import { instantOf, type LogEntry, RunLog } from "../../engine/dispatch/run-log.ts";
import type { RunSummary } from "../../engine/metrics/summary.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { RequestDraws } from "../../engine/requests/draws.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { FaultsDocument, ScenarioDocument } from "../../scenario/schema/scenario.ts";
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

/** A replica's worker dies, and rises some time later; µs since the run's start. */
export interface Crash {
  readonly replica: number;
  readonly atUs: number;
  readonly forUs: number;
}

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
  crashes: readonly Crash[] = [],
): Promise<Compared> {
  const { log: served } = await servedRun(document, inputs, { crashes });
  const simulated = new RunLog();
  const faults = crashes.length === 0 ? undefined : outagesOf(served, document, inputs);
  runReplication({ ...document, faults }, inputs, 0, { log: simulated });
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

/** From the loss of each replica to its return, which the gateway needs some time to see. */
function outagesOf(
  { entries }: RunLog,
  document: ScenarioDocument,
  inputs: SimulationInputs,
): FaultsDocument {
  const { replicas } = compileSystem(document, inputs);
  const scheduled = entries.flatMap(([kind, replica, lostUs], at) => {
    if (kind !== "lose") return [];
    const back = entries.find(([other, same], i) => i > at && other === "join" && same === replica);
    const forS = back && { forS: (back[2] - lostUs) / 1e6 };
    return [
      { kind: "crash" as const, replica: replicas[replica].name, atS: lostUs / 1e6, ...forS },
    ];
  });
  return { detection: { intervalMs: 0, timeoutMs: 0, failures: 1 }, random: [], scheduled };
}

/** A run begins some µs after its time 0, as each replica that joins has an instant of its own. */
function isFromTheBegin(simulated: string, served: string): boolean {
  const [[kind, first, ...own], [other, same, ...others]] = [simulated, served].map((entry) =>
    entry.split(" "),
  );
  const byUs = Number(others.at(-1)) - Number(own.at(-1));
  const isLate = kind === other && first === same && byUs > 0 && byUs < 5000;
  return isLate && (kind.startsWith("wake") || (kind === "arrive" && own.at(-1) === "0"));
}

/** Whether the entry's instant has two events of the world in the log. */
function isShared(log: readonly LogEntry[], at: number): boolean {
  const entry = log[at];
  const nowUs = entry && instantOf(entry);
  const events = log.filter((one) => WORLD.has(one[0]) && instantOf(one) === nowUs);
  return nowUs !== undefined && events.length > 1;
}

const WORLD: ReadonlySet<string> = new Set(["arrive", "finish", "wake", "join", "lose"]);

/** From the first arrival on: before it, replicas join at instants of the start. Without marks of who looked when. */
function decisions(log: RunLog): readonly LogEntry[] {
  const first = log.entries.findIndex(([kind]) => kind === "arrive");
  return log.entries
    .slice(Math.max(0, first))
    .filter(([kind]) => kind !== "served" && kind !== "decide");
}

interface ServedOptions {
  readonly replication?: number;
  readonly crashes?: readonly Crash[];
}

/** A run of the gateway, and what it measured. */
export async function servedRun(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { replication = 0, crashes = [] }: ServedOptions = {},
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
  // Only a worker of its own dies alone; the places of an engine are on one.
  const workerOf = system.replicas.map((_, replica) => (crashes.length === 0 ? 0 : replica));
  const workers = Array.from(new Set(workerOf), () => new VirtualWorker(world, system));
  const links = { clock, world, workers, workerOf };
  const gateway = virtualGateway({ document, inputs, seed, ...links, bounds: {} });
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
  for (const { replica, atUs, forUs } of crashes) {
    const worker = workers[workerOf[replica]];
    calendar.set(START_US + atUs, () => worker.die());
    calendar.set(START_US + atUs + forUs, () => worker.rise());
  }
  let index = 0;
  const arrive = (): void => {
    const own = index++;
    arrivals.advance();
    follow();
    gateway.submit({
      ...{ pipeline: draws.pipeline(), payload: new Uint8Array(0), index: own, intendedUs: null },
      answer: ({ endedUs }) => {
        arrivals.requestEnded(endedUs);
        if (arrivals.closed) follow();
      },
    });
  };
  let next: number | undefined;
  const follow = (): void => {
    if (next !== undefined) calendar.cancel(next);
    const { nextUs } = arrivals;
    next = Number.isFinite(nextUs) ? calendar.set(START_US + nextUs, arrive) : undefined;
  };
  follow();
  while (!(run.idle && !Number.isFinite(arrivals.nextUs)) && calendar.step()) await null;
  const log = run.options.log as RunLog;
  const { summary } = gateway.report();
  await gateway.close();
  return { log, summary };
}
