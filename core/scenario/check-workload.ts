/** Checks of the workload: it ends, and its process of arrivals is possible. */

import { circle, mmppRatePerS } from "../arrivals/changing-rate.ts";
import { isSpanned, knownRequests } from "../arrivals/extent.ts";
import { periodOf } from "../arrivals/sources.ts";
import type { Issue } from "../fault.ts";
import { issueAt } from "./issues.ts";
import type { Parts, WorkloadDocument } from "./schema.ts";

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

export function checkWorkload({ workload }: Parts<"workload">, traces: Traces): Issue[] {
  const issues = [...checkExtent(workload), ...checkProcess(workload, traces)];
  return issues.length > 0 ? issues : checkAmount(workload, traces);
}

/** A run ends within hours, and a burst fits into memory. */
function checkAmount(workload: WorkloadDocument, traces: Traces): Issue[] {
  if (workload.arrivals === "burst" || workload.arrivals === "mlperf-offline") {
    if (workload.requests <= MOST_AT_ONCE) return [];
    const most = `at most ${MOST_AT_ONCE.toLocaleString("en-US")} requests at once`;
    return [issueAt("workload.requests", `expected ${most}, got ${workload.requests}`)];
  }
  const requests = knownRequests(workload) ?? filled(workload, traces);
  if (requests <= MOST_REQUESTS) return [];
  const message = `some ${requests.toPrecision(3)} requests a run`;
  const hint = `a run may have ${MOST_REQUESTS.toLocaleString("en-US")}`;
  return [issueAt("workload", message, hint)];
}

/** Requests of a trace that fills the duration; 0 for others, and where answers set the pace. */
function filled(workload: WorkloadDocument, traces: Traces): number {
  if (workload.arrivals !== "trace" || workload.repeat !== "fill") return 0;
  const arrivals = traces[workload.file] ?? [];
  const periodS = (periodOf(arrivals) / 1e6) * workload.scale;
  return periodS > 0 ? (arrivals.length / periodS) * (workload.durationS ?? 0) : 0;
}

/** Clients that are refused in no time and come again at once would stop the clock. */
export function checkCircle({
  workload,
  scheduler,
  cluster,
}: Parts<"workload" | "scheduler" | "cluster">): Issue[] {
  if (workload.arrivals !== "closed" || workload.thinkMs > 0) return [];
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
  if (takesTime || typeof most !== "number" || present <= most) return [];
  const message = `time would stand still: of ${present} clients ${present - most} are refused, and come again at once`;
  return [issueAt("workload.thinkMs", message, "give a `thinkMs` above 0")];
}

/** Models that depend on input sizes and workloads with input sizes come together. */
export function checkInputSizes({ workload, models }: Parts<"workload" | "models">): Issue[] {
  const column = workload.arrivals === "trace" ? workload.sizeColumn : undefined;
  const sized = workload.inputSize !== undefined || column !== undefined;
  if (workload.inputSize !== undefined && column !== undefined) {
    const message = "both `inputSize` and `sizeColumn`: expected one of the two";
    return [issueAt("workload.inputSize", message)];
  }
  const scaled = Object.entries(models).filter(([, model]) => model.inputScaling !== undefined);
  if (sized && scaled.length === 0) {
    const at = column === undefined ? "workload.inputSize" : "workload.sizeColumn";
    const message = "no model depends on the size of its input";
    return [issueAt(at, message, "give one of the models `inputScaling: { reference: … }`")];
  }
  if (sized) return [];
  return scaled.map(([name]) => {
    const message = "the workload's requests have no input size";
    const hint = "for example `inputSize: { distribution: lognormal, mean: 500, cv: 1 }`";
    return issueAt(`models.${name}.inputScaling`, message, `give \`workload\` one, ${hint}`);
  });
}

/** Exactly one of durationS and requests; a trace may end by itself. */
function checkExtent(workload: WorkloadDocument): Issue[] {
  if (!isSpanned(workload)) return [];
  const issues: Issue[] = [];
  const { durationS, requests, warmupS } = workload;
  if (durationS !== undefined && requests !== undefined) {
    const message = "both `durationS` and `requests`: expected exactly one";
    issues.push(issueAt("workload.requests", message));
  }
  if (durationS === undefined && requests === undefined && workload.arrivals !== "trace") {
    const message = "no end: expected exactly one of `durationS` and `requests`";
    issues.push(issueAt("workload", message, "for example `durationS: 600`"));
  }
  if (durationS !== undefined && warmupS !== "auto" && warmupS >= durationS) {
    const message = `expected less than durationS, ${durationS} seconds, got ${warmupS}`;
    issues.push(issueAt("workload.warmupS", message, "the warm-up is part of the duration"));
  }
  return issues;
}

/** The other processes are possible with any values that their schemas take. */
function checkProcess(workload: WorkloadDocument, traces: Traces): Issue[] {
  switch (workload.arrivals) {
    case "mmpp":
      return checkMmpp(workload);
    case "ramp":
      return checkRamp(workload);
    case "closed":
      return checkClients(workload);
    case "trace":
      return checkTrace(workload, traces[workload.file]);
    default:
      return [];
  }
}

function checkMmpp(workload: Of<"mmpp">): Issue[] {
  const { states } = workload;
  const transitions: Matrix = workload.transitions ?? circle(states.length);
  const at = "workload.transitions";
  const n = states.length;
  const square = transitions.length === n && transitions.every((row) => row.length === n);
  if (!square) {
    const shape = `${transitions.length} rows of ${transitions.map((row) => row.length).join(", ")}`;
    return [issueAt(at, `expected ${n} rows of ${n}, one for each state, got ${shape}`)];
  }
  const issues = transitions.flatMap((row, i) => {
    const sum = row.reduce((total, share) => total + share, 0);
    if (Math.abs(sum - 1) < 1e-9) return [];
    return [issueAt(`${at}.${i}`, `expected probabilities that add up to 1, got ${sum}`)];
  });
  if (issues.length > 0) return issues;
  for (let from = 0; from < n; from++) {
    const reached = reachable(transitions, from);
    const missed = reached.indexOf(false);
    if (missed < 0) continue;
    const message = `state ${missed} is never reached from state ${from}`;
    return [issueAt(at, message, "every state must lead, in the end, to every other")];
  }
  const ratePerS = mmppRatePerS(states, transitions);
  if (ratePerS === 0) return [issueAt("workload.states", "no state has arrivals")];
  const changesPerS = 1 / Math.min(...states.map(({ meanS }) => meanS));
  if (changesPerS / ratePerS <= MAX_CHANGES_PER_ARRIVAL) return [];
  const changes = `${Math.round(changesPerS)} times a second for ${ratePerS} arrivals`;
  const message = `states that change ${changes}`;
  return [issueAt("workload.states", message, "make the stays longer or the rates higher")];
}

function reachable(transitions: Matrix, from: number): boolean[] {
  const reached = Array.from(transitions, (_, i) => i === from);
  const open = [from];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    transitions[state]!.forEach((share, next) => {
      if (share === 0 || reached[next]) return;
      reached[next] = true;
      open.push(next);
    });
  }
  return reached;
}

function checkRamp({ rates, requests }: Of<"ramp">): Issue[] {
  const points = rates.map(({ atS, ratePerS }) => ({ atS, amount: ratePerS }));
  return checkPoints("workload.rates", points, requests, {
    none: "no point has a rate above 0: nothing would arrive",
    end: "the rate ends",
  });
}

function checkClients({ clients, requests }: Of<"closed">): Issue[] {
  if (typeof clients === "number") return [];
  const points = clients.map(({ atS, clients: amount }) => ({ atS, amount }));
  return checkPoints("workload.clients", points, requests, {
    none: "never a client: nothing would arrive",
    end: "the clients end",
  });
}

/** Points are in order of time, some are above 0, and the last is if only a number of requests ends the run. */
function checkPoints(
  path: string,
  points: readonly { readonly atS: number; readonly amount: number }[],
  requests: number | undefined,
  words: { readonly none: string; readonly end: string },
): Issue[] {
  const issues = points.flatMap(({ atS }, i) => {
    const before = points[i - 1];
    if (before === undefined || atS >= before.atS) return [];
    return [issueAt(`${path}.${i}.atS`, `time runs back: ${atS} comes after ${before.atS}`)];
  });
  if (points.every(({ amount }) => amount === 0)) issues.push(issueAt(path, words.none));
  else if (requests !== undefined && issues.length === 0 && points.at(-1)!.amount === 0) {
    const message = `${words.end} at 0, so that \`requests\` may never be reached`;
    issues.push(issueAt("workload.requests", message, "give `durationS` instead"));
  }
  return issues;
}

function checkTrace(workload: Of<"trace">, arrivals: readonly number[] | undefined): Issue[] {
  const { durationS, requests, warmupS, repeat = 1, scale } = workload;
  const issues: Issue[] = [];
  if (repeat === "fill" && durationS === undefined) {
    issues.push(issueAt("workload.repeat", "`fill` needs a `durationS` to fill"));
  }
  if (arrivals === undefined) return issues;
  const periodS = (periodOf(arrivals) / 1e6) * scale;
  if (repeat !== 1 && periodS === 0) {
    const message = "a trace whose arrivals are all at one instant cannot be repeated";
    issues.push(issueAt("workload.repeat", message));
  }
  const held = repeat === "fill" ? Number.POSITIVE_INFINITY : arrivals.length * repeat;
  if (requests !== undefined && requests > held) {
    const played = repeat === 1 ? "" : `, played ${repeat} times,`;
    const message = `the trace${played} holds ${held} ${held === 1 ? "arrival" : "arrivals"}, got ${requests}`;
    issues.push(issueAt("workload.requests", message));
  }
  const spanS = (arrivals.at(-1)! / 1e6) * scale;
  const wholeS = repeat === "fill" ? Number.POSITIVE_INFINITY : spanS + (repeat - 1) * periodS;
  if (durationS === undefined && warmupS !== "auto" && warmupS > 0 && warmupS >= wholeS) {
    const message = `expected less than the trace's span, ${wholeS} seconds, got ${warmupS}`;
    issues.push(issueAt("workload.warmupS", message));
  }
  return issues;
}
