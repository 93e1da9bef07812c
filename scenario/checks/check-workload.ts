/** Checks of the workload: it ends, and its process of arrivals is possible. */

import { isSpanned, knownRequests } from "../../engine/arrivals/arrival-source.ts";
import { circle, mmppRatePerS } from "../../engine/arrivals/changing-rate.ts";
import { periodOf } from "../../engine/arrivals/sources.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { type Issues, issueAt } from "../reading/issues.ts";
import type { Parts, WorkloadDocument } from "../schema/scenario.ts";

type Traces = Readonly<Record<string, readonly number[]>>;
type Matrix = readonly (readonly number[])[];
type Of<Arrivals extends WorkloadDocument["arrivals"]> = Extract<
  WorkloadDocument,
  { arrivals: Arrivals }
>;

/** Requests of a run: a thousand million take minutes. */
const MOST_REQUESTS = 1e9;
const MOST_AT_ONCE = 8_000_000;
/** With more changes of state for an arrival, a run would not come to its arrivals. */
const MAX_CHANGES_PER_ARRIVAL = 100_000;

export function* checkWorkload({ workload }: Parts<"workload">, traces: Traces): Issues {
  const issues = [...checkExtent(workload), ...checkProcess(workload, traces)];
  yield* issues.length > 0 ? issues : checkAmount(workload, traces);
}

/** A run ends within hours, and a burst fits into memory. */
function* checkAmount(workload: WorkloadDocument, traces: Traces): Issues {
  if (workload.arrivals === "burst" || workload.arrivals === "mlperf-offline") {
    if (workload.requests <= MOST_AT_ONCE) return;
    const most = `at most ${MOST_AT_ONCE.toLocaleString("en-US")} requests at once`;
    yield issueAt("workload.requests", `expected ${most}, got ${workload.requests}`);
    return;
  }
  const requests = knownRequests(workload) ?? filled(workload, traces);
  if (requests <= MOST_REQUESTS) return;
  const hint = `a run may have ${MOST_REQUESTS.toLocaleString("en-US")}`;
  yield issueAt("workload", `some ${requests.toPrecision(3)} requests a run`, hint);
}

/** Requests of a trace that fills the duration; 0 for others, and where answers set the pace. */
function filled(workload: WorkloadDocument, traces: Traces): number {
  if (workload.arrivals !== "trace" || workload.repeat !== "fill") return 0;
  const arrivals = traces[workload.file] ?? [];
  const periodS = (periodOf(arrivals) / 1e6) * workload.scale;
  return periodS > 0 ? (arrivals.length / periodS) * (workload.durationS ?? 0) : 0;
}

/** Clients that are refused in no time and come again at once would stop the clock. */
export function* checkCircle({
  workload,
  scheduler,
  cluster,
}: Parts<"workload" | "scheduler" | "cluster">): Issues {
  if (workload.arrivals !== "closed" || workload.thinkMs > 0) return;
  const { client, clients } = workload;
  const { network, gateway, overheadProfile } = cluster;
  const takesTime =
    (network?.clientRttMs ?? 0) > 0 ||
    (gateway?.arrivalUs ?? 0) > 0 ||
    overheadProfile !== undefined ||
    (client !== undefined && client.retries > 0 && client.backoffMs > 0);
  const admission = typeof scheduler === "string" ? undefined : scheduler.admission;
  const most = typeof admission === "object" ? admission.maxInSystem : undefined;
  const present =
    typeof clients === "number" ? clients : Math.max(...clients.map((step) => step.clients));
  if (takesTime || typeof most !== "number" || present <= most) return;
  const message = `time would stand still: of ${present} clients ${present - most} are refused, and come again at once`;
  yield issueAt("workload.thinkMs", message, "give a `thinkMs` above 0");
}

/** Models that depend on input sizes and workloads with input sizes come together. */
export function* checkInputSizes({ workload, models }: Parts<"workload" | "models">): Issues {
  const column = workload.arrivals === "trace" ? workload.sizeColumn : undefined;
  const given = [
    ...(workload.inputSize === undefined ? [] : ["inputSize"]),
    ...(column === undefined ? [] : ["sizeColumn"]),
  ];
  const scaled = Object.entries(models).filter(([, model]) => model.inputScaling !== undefined);
  if (given.length > 1) {
    const message = "both `inputSize` and `sizeColumn`: expected one of the two";
    yield issueAt("workload.inputSize", message);
  } else if (given.length === 1 && scaled.length === 0) {
    const hint = "give one of the models `inputScaling: { reference: … }`";
    yield issueAt(`workload.${given[0]}`, "no model depends on the size of its input", hint);
  } else if (given.length === 0) {
    const example = "for example `inputSize: { distribution: lognormal, mean: 500, cv: 1 }`";
    for (const [name] of scaled) {
      const message = "the workload's requests have no input size";
      const hint = `give \`workload\` one, ${example}`;
      yield issueAt(`models.${name}.inputScaling`, message, hint);
    }
  }
}

/** Exactly one of durationS and requests; a trace may end by itself. */
function* checkExtent(workload: WorkloadDocument): Issues {
  if (!isSpanned(workload)) return;
  const { durationS, requests, warmupS } = workload;
  if (durationS !== undefined && requests !== undefined) {
    yield issueAt("workload.requests", "both `durationS` and `requests`: expected exactly one");
  }
  if (durationS === undefined && requests === undefined && workload.arrivals !== "trace") {
    const message = "no end: expected exactly one of `durationS` and `requests`";
    yield issueAt("workload", message, "for example `durationS: 600`");
  }
  if (durationS !== undefined && warmupS !== "auto" && warmupS >= durationS) {
    const message = `expected less than durationS, ${durationS} seconds, got ${warmupS}`;
    yield issueAt("workload.warmupS", message, "the warm-up is part of the duration");
  }
}

/** The other processes are possible with any values that their schemas take. */
function* checkProcess(workload: WorkloadDocument, traces: Traces): Issues {
  switch (workload.arrivals) {
    case "mmpp":
      yield* checkMmpp(workload);
      return;
    case "ramp": {
      const points = workload.rates.map(({ atS, ratePerS }) => ({ atS, amount: ratePerS }));
      yield* checkPoints("rates", points, workload.requests, {
        none: "no point has a rate above 0: nothing would arrive",
        end: "the rate ends",
      });
      return;
    }
    case "closed": {
      if (typeof workload.clients === "number") return;
      const points = workload.clients.map(({ atS, clients }) => ({ atS, amount: clients }));
      yield* checkPoints("clients", points, workload.requests, {
        none: "never a client: nothing would arrive",
        end: "the clients end",
      });
      return;
    }
    case "trace":
      yield* checkTrace(workload, traces[workload.file]);
  }
}

function* checkMmpp(workload: Of<"mmpp">): Issues {
  const { states } = workload;
  const transitions: Matrix = workload.transitions ?? circle(states.length);
  const at = "workload.transitions";
  const n = states.length;
  if (transitions.length !== n || transitions.some((row) => row.length !== n)) {
    const shape = `${transitions.length} rows of ${transitions.map((row) => row.length).join(", ")}`;
    yield issueAt(at, `expected ${n} rows of ${n}, one for each state, got ${shape}`);
    return;
  }
  const sums = transitions.map(sumOf);
  const wrong = [...sums.entries()].filter(([, sum]) => Math.abs(sum - 1) >= 1e-9);
  for (const [i, sum] of wrong) {
    yield issueAt(`${at}.${i}`, `expected probabilities that add up to 1, got ${sum}`);
  }
  if (wrong.length > 0) return;
  for (const from of states.keys()) {
    const reached = reachable(transitions, from);
    const missed = [...states.keys()].find((state) => !reached.has(state));
    if (missed === undefined) continue;
    const message = `state ${missed} is never reached from state ${from}`;
    yield issueAt(at, message, "every state must lead, in the end, to every other");
    return;
  }
  const ratePerS = mmppRatePerS(states, transitions);
  const changesPerS = 1 / Math.min(...states.map(({ meanS }) => meanS));
  if (ratePerS === 0) yield issueAt("workload.states", "no state has arrivals");
  else if (changesPerS / ratePerS > MAX_CHANGES_PER_ARRIVAL) {
    const changes = `${Math.round(changesPerS)} times a second for ${ratePerS} arrivals`;
    const hint = "make the stays longer or the rates higher";
    yield issueAt("workload.states", `states that change ${changes}`, hint);
  }
}

function reachable(transitions: Matrix, from: number): ReadonlySet<number> {
  const reached = new Set([from]);
  // The loop also comes to the states that it adds.
  for (const state of reached) {
    for (const [next, share] of transitions[state].entries()) if (share > 0) reached.add(next);
  }
  return reached;
}

/** Points are in order of time, some are above 0, and the last is if only a number of requests ends the run. */
function* checkPoints(
  key: string,
  points: readonly { readonly atS: number; readonly amount: number }[],
  requests: number | undefined,
  words: { readonly none: string; readonly end: string },
): Issues {
  const path = `workload.${key}`;
  const early = points.flatMap(({ atS }, i) => (i > 0 && atS < points[i - 1].atS ? [i] : []));
  for (const i of early) {
    const message = `time runs back: ${points[i].atS} comes after ${points[i - 1].atS}`;
    yield issueAt(`${path}.${i}.atS`, message);
  }
  if (points.every(({ amount }) => amount === 0)) yield issueAt(path, words.none);
  else if (requests !== undefined && early.length === 0 && points.at(-1)?.amount === 0) {
    const message = `${words.end} at 0, so that \`requests\` may never be reached`;
    yield issueAt("workload.requests", message, "give `durationS` instead");
  }
}

function* checkTrace(workload: Of<"trace">, arrivals: readonly number[] | undefined): Issues {
  const { durationS, requests, warmupS, repeat = 1, scale } = workload;
  if (repeat === "fill" && durationS === undefined) {
    yield issueAt("workload.repeat", "`fill` needs a `durationS` to fill");
  }
  if (arrivals === undefined) return;
  const periodS = (periodOf(arrivals) / 1e6) * scale;
  if (repeat !== 1 && periodS === 0) {
    const message = "a trace whose arrivals are all at one instant cannot be repeated";
    yield issueAt("workload.repeat", message);
  }
  const times = repeat === "fill" ? Number.POSITIVE_INFINITY : repeat;
  const held = arrivals.length * times;
  if (requests !== undefined && requests > held) {
    const played = repeat === 1 ? "" : `, played ${repeat} times,`;
    const message = `the trace${played} holds ${held} ${held === 1 ? "arrival" : "arrivals"}, got ${requests}`;
    yield issueAt("workload.requests", message);
  }
  const spanS = (arrivals[arrivals.length - 1] / 1e6) * scale;
  const wholeS = repeat === 1 ? spanS : spanS + (times - 1) * periodS;
  if (durationS === undefined && warmupS !== "auto" && warmupS > 0 && warmupS >= wholeS) {
    const message = `expected less than the trace's span, ${wholeS} seconds, got ${warmupS}`;
    yield issueAt("workload.warmupS", message);
  }
}
