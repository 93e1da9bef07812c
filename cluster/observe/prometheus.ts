/**
 * `/metrics` in Prometheus' text format, made from the gateway's counts at each scrape. Names and
 * meanings follow Triton's `nv_inference_*` where there is one, with Prometheus' rules for units and
 * suffixes (seconds, `_total`). The first scrape loads the library. Workers have no metrics port: the
 * gateway asks them for figures of their processes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OUTCOMES } from "../../core/dispatch/driver.ts";
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

export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
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
): Promise<Exposition> {
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
    ...workerFamilies(() => present),
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

type Samples = () => readonly Sample[];

const familyOf =
  (type: "counter" | "gauge") =>
  (name: string, help: string, samples: Samples): Family => {
    return {
      name,
      help,
      type,
      values: () => samples().map(([labels, value]) => ({ labels, value })),
    };
  };
const counter = familyOf("counter");
const gauge = familyOf("gauge");

function requestFamilies(
  { pipelines, tasks }: GatewayCounts,
  state: () => GatewayState,
): readonly Family[] {
  const completed = OUTCOMES.indexOf("completed");
  return [
    counter("tandem_request_success_total", "Requests answered with a result", () =>
      pipelines.map(({ name, outcomes }) => [{ pipeline: name }, outcomes[completed]]),
    ),
    counter("tandem_request_failure_total", "Requests that got no result, by reason", () =>
      pipelines.flatMap(({ name, outcomes }) =>
        OUTCOMES.flatMap((reason, i): Sample[] =>
          i === completed ? [] : [[{ pipeline: name, reason }, outcomes[i]]],
        ),
      ),
    ),
    gauge("tandem_requests_in_flight", "Requests that the gateway has taken and not answered", () =>
      pipelines.map(({ name, inFlight }) => [{ pipeline: name }, inFlight]),
    ),
    gauge("tandem_queue_length", "Jobs of a task that wait for a replica", () =>
      state().waiting.map((lengths, pool) => [
        { task: tasks[pool].name },
        lengths.reduce((sum, length) => sum + length, 0),
      ]),
    ),
    counter(
      "tandem_batch_failure_total",
      "Batches that failed, or went down with their replica",
      () => tasks.map(({ name, wasted }) => [{ task: name }, wasted]),
    ),
  ];
}

function replicaFamilies(
  { replicas }: GatewayCounts,
  state: () => GatewayState,
): readonly Family[] {
  const labels = replicas.map(({ name, task }) => ({ task, replica: name }));
  const byReplica = (value: (replica: (typeof replicas)[number]) => number) => () =>
    replicas.map((replica, i): Sample => [labels[i], value(replica)]);
  return [
    gauge("tandem_replica_up", "1 while the gateway may send to the replica", () =>
      state().replicas.flatMap((replica, i): Sample[] =>
        replica.there ? [[labels[i], replica.state === "up" ? 1 : 0]] : [],
      ),
    ),
    counter("tandem_replica_losses_total", "How often the gateway lost the replica", () =>
      state().replicas.map(({ losses }, i) => [labels[i], losses]),
    ),
    gauge(
      "tandem_replica_in_flight",
      "Jobs in the batch that the replica runs",
      byReplica(({ inFlight }) => inFlight),
    ),
    counter(
      "tandem_replica_busy_seconds_total",
      "Time that the replica computed; its rate is the replica's utilisation",
      byReplica(({ busyS }) => busyS),
    ),
    counter(
      "tandem_replica_execution_total",
      "Batches that the replica has run",
      byReplica(({ batches }) => batches),
    ),
    counter(
      "tandem_replica_inference_total",
      "Jobs that the replica has run",
      byReplica(({ jobs }) => jobs),
    ),
  ];
}

function histograms({ pipelines, tasks }: GatewayCounts): readonly Family[] {
  const byTask = (name: string, help: string, of: (task: (typeof tasks)[number]) => Histogram) =>
    histogram(name, help, () => tasks.map((task) => [{ task: task.name }, of(task)]));
  return [
    histogram(
      "tandem_request_duration_seconds",
      "From taking a request to its answer, of requests with a result",
      () => pipelines.map(({ name, duration }) => [{ pipeline: name }, duration]),
    ),
    byTask(
      "tandem_queue_duration_seconds",
      "From a job being ready to the start of its batch",
      ({ queue }) => queue,
    ),
    byTask(
      "tandem_batch_wait_duration_seconds",
      "Part of the queue's duration in which a replica was free and waited for more jobs",
      ({ batchWait }) => batchWait,
    ),
    byTask(
      "tandem_compute_duration_seconds",
      "A batch's computation, measured by its worker",
      ({ compute }) => compute,
    ),
    byTask(
      "tandem_rpc_duration_seconds",
      "A batch's way to its worker and back, without the computation",
      ({ rpc }) => rpc,
    ),
    byTask("tandem_batch_size", "Jobs in a batch", ({ batchSize }) => batchSize),
  ];
}

function histogram(
  name: string,
  help: string,
  of: () => readonly (readonly [Labels, Histogram])[],
): Family {
  const series = ([labels, { bounds, counts, sum }]: readonly [Labels, Histogram]) => {
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
  return { name, help, type: "histogram", values: () => of().flatMap(series) };
}

/** The gateway's process_* metrics, for each worker. */
function workerFamilies(present: () => WorkerFigures): readonly Family[] {
  const samples = (name: string) => () =>
    [...present()].flatMap(([worker, figures]): Sample[] =>
      name in figures ? [[{ worker }, figures[name]]] : [],
    );
  const named = (of: typeof counter, name: string, help: string): Family =>
    of(`tandem_worker_${name}`, help, samples(name));
  return [
    named(counter, "process_cpu_seconds_total", "Processor time of a worker"),
    named(gauge, "process_resident_memory_bytes", "Resident memory of a worker"),
    named(gauge, "process_open_fds", "Open files and sockets of a worker"),
    named(gauge, "process_start_time_seconds", "When a worker started, since the epoch"),
  ];
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
