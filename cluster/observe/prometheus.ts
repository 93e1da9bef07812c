/**
 * `/metrics`, made from the gateway's counts at each scrape. Names and meanings follow Triton's
 * `nv_inference_*`. Workers have no metrics port: the gateway asks them for figures of their processes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { GatewayCounts, GatewayState, Histogram } from "./gateway-counts.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** A metric as the library's registry reads it. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: () => readonly {
    readonly labels: Labels;
    readonly value: number;
    readonly metricName?: string;
  }[];
}

/** By the worker's address. */
type WorkerFigures = ReadonlyMap<string, Readonly<Record<string, number>>>;

/** A worker that tells figures of its process, such as its memory. */
interface FigureSource {
  readonly up: boolean;
  readonly address: string;
  /** Rejects with a Fault. */
  figures(): Promise<Readonly<Record<string, number>>>;
}

/** The library's gauges whose names end like a counter's; another metric has the same value. */
const MISNAMED = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);
/** A scrape leaves out a worker that takes longer. */
const PATIENCE_MS = 1000;

/** Calls `state` once a family, so it must be cheap, and `workers` once a scrape. */
export async function exposition(
  counts: GatewayCounts,
  state: () => GatewayState,
  workers: () => readonly (FigureSource | null)[],
  refused: { readonly connections: number; readonly logins: number },
) {
  // The only name of a CommonJS package in a bundle of ES modules is the default.
  const { Registry, collectDefaultMetrics } = (await import("prom-client")).default;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  let present: WorkerFigures = new Map();
  const families = [
    ...requestFamilies(counts, state),
    ...replicaFamilies(counts, state),
    ...histograms(counts),
    ...tokenFamilies(counts),
    ...workerFamilies(() => present),
    counter("tandem_connections_refused_total", "Connections closed: too many", () => [
      [{}, refused.connections],
    ]),
    counter("tandem_logins_refused_total", "Calls without sufficient credentials", () => [
      [{}, refused.logins],
    ]),
  ];
  for (const { values, ...family } of families) {
    // Any object with a `get` will do: the library's own metric classes would count everything twice.
    const metric = {
      ...family,
      get: async () => ({ ...family, values: values(), aggregator: "sum" }),
    };
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
  return {
    contentType: registry.contentType,
    text: async () => {
      present = await workerFigures(workers());
      return registry.metrics();
    },
  };
}

function familyOf(type: "counter" | "gauge") {
  return (name: string, help: string, samples: () => readonly Sample[]): Family => ({
    name,
    help,
    type,
    values: () => samples().map(([labels, value]) => ({ labels, value })),
  });
}
const counter = familyOf("counter");
const gauge = familyOf("gauge");

function requestFamilies(
  { pipelines, tasks }: GatewayCounts,
  state: () => GatewayState,
): readonly Family[] {
  const completed = OUTCOMES.indexOf("completed");
  const failures = OUTCOMES.filter((outcome) => outcome !== "completed");
  return [
    counter("tandem_request_success_total", "Requests answered with a result", () =>
      pipelines.map(({ name, outcomes }) => [{ pipeline: name }, outcomes[completed]]),
    ),
    counter("tandem_request_failure_total", "Requests that got no result, by reason", () =>
      pipelines.flatMap(({ name: pipeline, outcomes }) =>
        failures.map(
          (reason): Sample => [{ pipeline, reason }, outcomes[OUTCOMES.indexOf(reason)]],
        ),
      ),
    ),
    gauge("tandem_requests_in_flight", "Requests that the gateway has taken and not answered", () =>
      pipelines.map(({ name, inFlight }) => [{ pipeline: name }, inFlight]),
    ),
    gauge("tandem_queue_length", "Jobs of a task that wait for a replica", () =>
      state().waiting.map((lengths, pool) => [{ task: tasks[pool].name }, sumOf(lengths)]),
    ),
    counter(
      "tandem_batch_failure_total",
      "Batches that failed, or went down with their replica",
      () => tasks.map(({ name, wasted }) => [{ task: name }, wasted]),
    ),
  ];
}

const PER_REPLICA = [
  [
    counter,
    "busy_seconds_total",
    "Time that the replica computed; its rate is the replica's utilisation, for an engine that of its places",
    "busyS",
  ],
  [counter, "execution_total", "Batches that the replica has run", "batches"],
  [counter, "inference_total", "Jobs that the replica has run", "jobs"],
] as const;

function replicaFamilies(counts: GatewayCounts, state: () => GatewayState): readonly Family[] {
  const { replicas, wholes } = counts;
  const labels = replicas.map(({ name, task }) => ({ task, replica: name }));
  const states = () => {
    const all = state().replicas;
    return wholes.firsts.map((first) => all[first]);
  };
  return [
    gauge("tandem_replica_up", "1 while the gateway may send to the replica", () =>
      states().flatMap((replica, i): Sample[] =>
        replica.there ? [[labels[i], replica.state === "up" ? 1 : 0]] : [],
      ),
    ),
    counter("tandem_replica_losses_total", "How often the gateway lost the replica", () =>
      states().map(({ losses }, i) => [labels[i], losses]),
    ),
    gauge("tandem_replica_in_flight", "Jobs that the replica runs", () =>
      counts.inFlight().map((jobs, i) => [labels[i], jobs]),
    ),
    ...PER_REPLICA.map(([kind, name, help, field]) =>
      kind(`tandem_replica_${name}`, help, () =>
        replicas.map((replica, i) => [labels[i], replica[field]]),
      ),
    ),
  ];
}

const PER_TASK = [
  ["queue_duration_seconds", "From a job being ready to the start of its batch", "queue"],
  [
    "batch_wait_duration_seconds",
    "Part of the queue's duration in which a replica was free and waited for more jobs",
    "batchWait",
  ],
  ["compute_duration_seconds", "A batch's computation, measured by its worker", "compute"],
  ["rpc_duration_seconds", "A batch's way to its worker and back, without the computation", "rpc"],
  ["batch_size", "Jobs in a batch", "batchSize"],
] as const;

function histograms({ pipelines, tasks }: GatewayCounts): readonly Family[] {
  return [
    histogram(
      "tandem_request_duration_seconds",
      "From taking a request to its answer, of requests with a result",
      pipelines.map(({ name, duration }) => [{ pipeline: name }, duration]),
    ),
    ...PER_TASK.map(([name, help, field]) =>
      histogram(
        `tandem_${name}`,
        help,
        tasks.map((task) => [{ task: task.name }, task[field]]),
      ),
    ),
  ];
}

/** Named as vLLM names them; a deployment without language models has none. */
function tokenFamilies({ pipelines, tasks }: GatewayCounts): readonly Family[] {
  const written = pipelines.flatMap(({ name, tokenTimes }) =>
    tokenTimes === null ? [] : [{ labels: { pipeline: name }, ...tokenTimes }],
  );
  const engines = tasks.flatMap(({ name, tokens }) =>
    tokens === null ? [] : [{ labels: { task: name }, tokens }],
  );
  if (engines.length === 0) return [];
  return [
    counter("tandem_prompt_tokens_total", "Tokens of the prompts that were answered", () =>
      engines.map(({ labels, tokens }) => [labels, tokens.prompt]),
    ),
    counter("tandem_generation_tokens_total", "Tokens that language models wrote", () =>
      engines.map(({ labels, tokens }) => [labels, tokens.generated]),
    ),
    histogram(
      "tandem_time_to_first_token_seconds",
      "From taking a request to the first token of its last text",
      written.map(({ labels, first }) => [labels, first]),
    ),
    histogram(
      "tandem_time_per_output_token_seconds",
      "From each token of the last text to the next, as a mean of a request",
      written.map(({ labels, each }) => [labels, each]),
    ),
  ];
}

function histogram(
  name: string,
  help: string,
  all: readonly (readonly [Labels, Histogram])[],
): Family {
  const series = ([labels, { bounds, counts, sum }]: (typeof all)[number]) => {
    let below = 0;
    const buckets = [...bounds, "+Inf"].map((le, i) => {
      below += counts[i];
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(le) }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: below },
    ];
  };
  return { name, help, type: "histogram", values: () => all.flatMap(series) };
}

/** The gateway's process_* metrics, for each worker. */
const PER_WORKER = [
  [counter, "process_cpu_seconds_total", "Processor time of a worker"],
  [gauge, "process_resident_memory_bytes", "Resident memory of a worker"],
  [gauge, "process_open_fds", "Open files and sockets of a worker"],
  [gauge, "process_start_time_seconds", "When a worker started, since the epoch"],
] as const;

function workerFamilies(present: () => WorkerFigures): readonly Family[] {
  return PER_WORKER.map(([kind, name, help]) =>
    kind(`tandem_worker_${name}`, help, () =>
      [...present()].flatMap(([worker, figures]): Sample[] =>
        name in figures ? [[{ worker }, figures[name]]] : [],
      ),
    ),
  );
}

/** Figures of each worker that is up and answers in time. */
async function workerFigures(links: readonly (FigureSource | null)[]): Promise<WorkerFigures> {
  const byAddress = new Map(links.flatMap((link) => (link?.up ? [[link.address, link]] : [])));
  const answers = await Promise.all(
    [...byAddress].map(async ([address, link]) => {
      const late = sleep(PATIENCE_MS, null, { ref: false });
      const figures = await Promise.race([link.figures(), late]).catch(() => null);
      return figures === null ? [] : [[address, figures] as const];
    }),
  );
  return new Map(answers.flat());
}
