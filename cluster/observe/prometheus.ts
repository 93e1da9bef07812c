/**
 * `/metrics` in Prometheus' text format, made from the gateway's counts at each scrape. Names and
 * meanings follow Triton's `nv_inference_*` where there is one, with Prometheus' rules for units and
 * suffixes (seconds, `_total`). The first scrape loads the library. Workers have no metrics port: the
 * gateway asks them for figures of their processes.
 */
import type { Registry } from "prom-client";
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import type { GatewayCounts, Histogram } from "./gateway-counts.ts";
import type { GatewayState } from "./status.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: () => readonly Sample[];
}

interface HistogramFamily {
  readonly name: string;
  readonly help: string;
  readonly of: () => readonly (readonly [Labels, Histogram])[];
}

interface WorkerFigures {
  /** The worker's address. */
  readonly worker: string;
  readonly figures: Readonly<Record<string, number>>;
}

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
  const { Registry: NewRegistry, collectDefaultMetrics } = await import("prom-client");
  const registry: Registry = new NewRegistry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  for (const family of families(counts, state)) register(registry, family);
  for (const family of histograms(counts)) registerHistogram(registry, family);
  let present: readonly WorkerFigures[] = [];
  for (const family of workerFamilies(() => present)) register(registry, family);
  return {
    contentType: registry.contentType,
    text: async () => {
      present = await workerFigures(workers());
      return registry.metrics();
    },
  };
}

/** The gateway's process_* metrics, for each worker. */
function workerFamilies(present: () => readonly WorkerFigures[]): readonly Family[] {
  const family = (name: string, type: Family["type"], help: string): Family => ({
    name: `tandem_worker_${name}`,
    help,
    type,
    samples: () =>
      present().flatMap(({ worker, figures }): Sample[] =>
        name in figures ? [[{ worker }, figures[name]]] : [],
      ),
  });
  return [
    family("process_cpu_seconds_total", "counter", "Processor time of a worker"),
    family("process_resident_memory_bytes", "gauge", "Resident memory of a worker"),
    family("process_open_fds", "gauge", "Open files and sockets of a worker"),
    family("process_start_time_seconds", "gauge", "When a worker started, since the epoch"),
  ];
}

function families(counts: GatewayCounts, state: () => GatewayState): readonly Family[] {
  return [...requestFamilies(counts, state), ...replicaFamilies(counts, state)];
}

function requestFamilies(
  { pipelines, tasks }: GatewayCounts,
  state: () => GatewayState,
): readonly Family[] {
  const completed = OUTCOMES.indexOf("completed");
  return [
    {
      name: "tandem_request_success_total",
      help: "Requests answered with a result",
      type: "counter",
      samples: () =>
        pipelines.map(({ name, outcomes }) => [{ pipeline: name }, outcomes[completed]]),
    },
    {
      name: "tandem_request_failure_total",
      help: "Requests that got no result, by reason",
      type: "counter",
      samples: () =>
        pipelines.flatMap(({ name, outcomes }) =>
          OUTCOMES.flatMap((reason, i): Sample[] =>
            i === completed ? [] : [[{ pipeline: name, reason }, outcomes[i]]],
          ),
        ),
    },
    {
      name: "tandem_requests_in_flight",
      help: "Requests that the gateway has taken and not answered",
      type: "gauge",
      samples: () => pipelines.map(({ name, inFlight }) => [{ pipeline: name }, inFlight]),
    },
    {
      name: "tandem_queue_length",
      help: "Jobs of a task that wait for a replica",
      type: "gauge",
      samples: () =>
        state().waiting.map((lengths, pool) => [
          { task: tasks[pool].name },
          lengths.reduce((sum, length) => sum + length, 0),
        ]),
    },
    {
      name: "tandem_batch_failure_total",
      help: "Batches that failed, or went down with their replica",
      type: "counter",
      samples: () => tasks.map(({ name, wasted }) => [{ task: name }, wasted]),
    },
  ];
}

function replicaFamilies(
  { replicas }: GatewayCounts,
  state: () => GatewayState,
): readonly Family[] {
  return [
    {
      name: "tandem_replica_up",
      help: "1 while the gateway may send to the replica",
      type: "gauge",
      samples: () =>
        state().replicas.flatMap((replica, i) =>
          replica.there ? [[labelsOf(replicas[i]), replica.state === "up" ? 1 : 0] as const] : [],
        ),
    },
    {
      name: "tandem_replica_losses_total",
      help: "How often the gateway lost the replica",
      type: "counter",
      samples: () => state().replicas.map(({ losses }, i) => [labelsOf(replicas[i]), losses]),
    },
    {
      name: "tandem_replica_in_flight",
      help: "Jobs in the batch that the replica runs",
      type: "gauge",
      samples: () => replicas.map((replica) => [labelsOf(replica), replica.inFlight]),
    },
    {
      name: "tandem_replica_busy_seconds_total",
      help: "Time that the replica computed; its rate is the replica's utilisation",
      type: "counter",
      samples: () => replicas.map((replica) => [labelsOf(replica), replica.busyS]),
    },
    {
      name: "tandem_replica_execution_total",
      help: "Batches that the replica has run",
      type: "counter",
      samples: () => replicas.map((replica) => [labelsOf(replica), replica.batches]),
    },
    {
      name: "tandem_replica_inference_total",
      help: "Jobs that the replica has run",
      type: "counter",
      samples: () => replicas.map((replica) => [labelsOf(replica), replica.jobs]),
    },
  ];
}

function histograms({ pipelines, tasks }: GatewayCounts): readonly HistogramFamily[] {
  const byTask = (of: (task: (typeof tasks)[number]) => Histogram) => () =>
    tasks.map((task) => [{ task: task.name }, of(task)] as const);
  return [
    {
      name: "tandem_request_duration_seconds",
      help: "From taking a request to its answer, of requests with a result",
      of: () => pipelines.map(({ name, duration }) => [{ pipeline: name }, duration]),
    },
    {
      name: "tandem_queue_duration_seconds",
      help: "From a job being ready to the start of its batch",
      of: byTask(({ queue }) => queue),
    },
    {
      name: "tandem_batch_wait_duration_seconds",
      help: "Part of the queue's duration in which a replica was free and waited for more jobs",
      of: byTask(({ batchWait }) => batchWait),
    },
    {
      name: "tandem_compute_duration_seconds",
      help: "A batch's computation, measured by its worker",
      of: byTask(({ compute }) => compute),
    },
    {
      name: "tandem_rpc_duration_seconds",
      help: "A batch's way to its worker and back, without the computation",
      of: byTask(({ rpc }) => rpc),
    },
    {
      name: "tandem_batch_size",
      help: "Jobs in a batch",
      of: byTask(({ batchSize }) => batchSize),
    },
  ];
}

function labelsOf({ name, task }: { readonly name: string; readonly task: string }): Labels {
  return { task, replica: name };
}

/** Registers any object with a `get`: the library's own metric classes would count everything twice. */
function registered(registry: Registry, metric: object): void {
  registry.registerMetric(metric as Parameters<Registry["registerMetric"]>[0]);
}

function register(registry: Registry, { name, help, type, samples }: Family): void {
  const values = () => samples().map(([labels, value]) => ({ labels, value }));
  const get = async () => ({ name, help, type, values: values(), aggregator: "sum" });
  registered(registry, { name, help, type, get });
}

function registerHistogram(registry: Registry, { name, help, of }: HistogramFamily): void {
  const type = "histogram";
  const values = () => of().flatMap(([labels, histogram]) => series(name, labels, histogram));
  const get = async () => ({ name, help, type, values: values(), aggregator: "sum" });
  registered(registry, { name, help, type, get });
}

function series(name: string, labels: Labels, { bounds, counts, sum }: Histogram) {
  let below = 0;
  const buckets = [...bounds, "+Inf"].map((le, i) => {
    below += counts[i];
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}

/** Figures of each worker that is up and answers in time. */
async function workerFigures(
  links: readonly (FigureSource | null)[],
): Promise<readonly WorkerFigures[]> {
  const byAddress = new Map(links.flatMap((link) => (link?.up ? [[link.address, link]] : [])));
  const answers = await Promise.all(
    [...byAddress.values()].map(async (link) => {
      const figures = await inTime(link.figures()).catch(() => null);
      return figures === null ? [] : [{ worker: link.address, figures }];
    }),
  );
  return answers.flat();
}

function inTime<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
