/**
 * `/metrics` in Prometheus' text format: the gateway's counts, read when somebody asks. Names and
 * meanings follow Triton's `nv_inference_*` where there is one, with Prometheus' own rules for units
 * and suffixes (seconds, `_total`). The library is loaded with the first scrape.
 */
import type { Registry } from "prom-client";
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import type { GatewayState } from "../run/gateway.ts";
import type { GatewayCounts } from "./gateway-counts.ts";
import type { Histogram } from "./histogram.ts";
import type { WorkerFigures } from "./worker-figures.ts";

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

export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

/** The library's own gauges whose names end as a counter's; each has another, by type. */
const MISNAMED = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** `state` is asked once a family; it must be cheap. `workers` is asked once a scrape. */
export async function exposition(
  counts: GatewayCounts,
  state: () => GatewayState,
  workers: () => Promise<readonly WorkerFigures[]>,
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
      present = await workers();
      return registry.metrics();
    },
  };
}

/** As the gateway's own process_*, of each worker. */
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

/** A metric is what has a `get`; the library's own would keep a second count of everything. */
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
