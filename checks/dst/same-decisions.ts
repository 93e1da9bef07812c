/**
 * The gateway in virtual time beside the simulator: with links that cost nothing, the same arrivals and the same draws,
 * the two drivers must get the same commands from the dispatcher, event by event. Crashes are told to both: the
 * gateway's workers die first, and the simulator is told when it lost them and when it had them again.
 */
import { callerOf } from "../../cluster/load/client-calls.ts";
import type { LoadTarget } from "../../cluster/load/specification.ts";
import { runRequestSchema } from "../../cluster/run/specification.ts";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import { instantOf, LOG_ENTRIES, type LogEntry, RunLog } from "../../engine/dispatch/run-log.ts";
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
    readonly because: typeof TIE | null;
  } | null;
}

/** Rejects with what `Gateway` throws. */
export async function compareDecisions(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  crashes: readonly Crash[] = [],
): Promise<Compared> {
  const { log, beginUs } = await servedRun(document, inputs, { crashes });
  const served = new RunLog();
  served.entries.push(...log.entries.map((entry) => earlier(entry, beginUs)));
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
  const isTie = isShared(expected, same) || isTimeOut(expected[same], found[same]);
  const because = isTie ? TIE : null;
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

/** Whether the entry's instant has two events of the world in the log. */
function isShared(log: readonly LogEntry[], at: number): boolean {
  const entry = log[at];
  const nowUs = entry && instantOf(entry);
  const events = log.filter((one) => WORLD.has(one[0]) && instantOf(one) === nowUs);
  return nowUs !== undefined && events.length > 1;
}

const WORLD: ReadonlySet<string> = new Set([
  ...["arrive", "finish", "wake", "join", "lose", "solved", "cancel"],
]);

/** Whether a client gave up at the very instant of the simulator's event. */
function isTimeOut(simulated: LogEntry | undefined, served: LogEntry | undefined): boolean {
  if (simulated === undefined || served?.[0] !== "cancel") return false;
  return WORLD.has(simulated[0]) && instantOf(simulated) === instantOf(served);
}

const INSTANTS: ReadonlySet<string> = new Set(["nowUs", "arrivedUs", "atUs"]);

/** The same entry in a run that began so much sooner. */
function earlier([kind, ...values]: LogEntry, byUs: number): LogEntry {
  const names = LOG_ENTRIES[kind].split(" ");
  const shifted = values.map((value, i) =>
    INSTANTS.has(names[i]) && value >= byUs ? value - byUs : value,
  );
  return [kind, ...shifted];
}

/**
 * From the first arrival, as replicas join at instants of the start, to the last end of a request, as a client's
 * time-outs keep the simulation's timers alive. Without marks of who looked when.
 */
function decisions(log: RunLog): readonly LogEntry[] {
  const first = log.entries.findIndex(([kind]) => kind === "arrive");
  const last = log.entries.findLastIndex(([kind]) => kind === "end");
  return log.entries
    .slice(Math.max(0, first), last + 1)
    .filter(([kind]) => kind !== "served" && kind !== "decide");
}

interface ServedOptions {
  readonly replication?: number;
  readonly crashes?: readonly Crash[];
}

interface Served {
  readonly log: RunLog;
  readonly summary: RunSummary;
  /** Its requests come so much later than in a run that begins at instant 0. */
  readonly beginUs: number;
}

function senderTo(gateway: ReturnType<typeof virtualGateway>): LoadTarget["send"] {
  const payload = new Uint8Array(0);
  return ({ request: index, pipeline }, answer) => {
    const caller = gateway.submit({
      pipeline,
      payload,
      index,
      intendedUs: null,
      answer: ({ outcome }) => answer({ outcome, status: outcome, error: null }),
    });
    return () => caller.cancel();
  };
}

/** A run of the gateway, and what it measured. */
export async function servedRun(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { replication = 0, crashes = [] }: ServedOptions = {},
): Promise<Served> {
  const seed = replicationSeed(document.run.seed, replication);
  const system = compileSystem(document, inputs);
  const calendar = new Calendar();
  const clock = new CalendarClock(calendar);
  const world: VirtualWorld = {
    calendar,
    faults: NO_FAULTS,
    chance: new RandomStream(seed, "links"),
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
  const { client } = document.workload;
  const triedAgain = client !== undefined;
  calendar.set(START_US - 1000, () =>
    gateway.reset(runRequestSchema.parse({ seed, log: true, triedAgain, startAtMonotonicNs })),
  );
  while (calendar.nowUs() < START_US - 1000) calendar.step();
  const run = gateway.run;
  const log = run.options.log as RunLog;
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const arrivals = arrivalSource(workload, seed, traceUs);
  // Joins and the begin have instants of their own; a request of instant 0 comes after them.
  const joins = log.entries.filter(([kind]) => kind === "join").length;
  const isHeard = log.entries.some(([kind]) => kind === "begin");
  const isAtOnce = arrivals.nextUs === 0;
  const beginUs = isHeard || isAtOnce ? joins + (isAtOnce ? 2 : 1) : 0;
  const zeroUs = START_US + beginUs;
  const draws = new RequestDraws(system, seed);
  for (const { replica, atUs, forUs } of crashes) {
    const worker = workers[workerOf[replica]];
    calendar.set(zeroUs + atUs, () => worker.die());
    calendar.set(zeroUs + atUs + forUs, () => worker.rise());
  }
  const call = callerOf(
    { send: senderTo(gateway) },
    { client, seed, timeScale: 1, clock, onAttempt: () => undefined },
  );
  let [index, open] = [0, 0];
  const arrive = (): void => {
    arrivals.advance();
    follow();
    open++;
    call({ request: index++, pipeline: draws.pipeline(), intendedUs: 0 }, () => {
      open--;
      arrivals.requestEnded(clock.nowUs() - zeroUs);
      if (arrivals.closed) follow();
    });
  };
  let next: number | undefined;
  const follow = (): void => {
    if (next !== undefined) calendar.cancel(next);
    const { nextUs } = arrivals;
    next = Number.isFinite(nextUs) ? calendar.set(zeroUs + nextUs, arrive) : undefined;
  };
  follow();
  while ((open > 0 || !run.idle || Number.isFinite(arrivals.nextUs)) && calendar.step()) await null;
  const { summary } = gateway.report();
  await gateway.close();
  return { log, summary, beginUs };
}
