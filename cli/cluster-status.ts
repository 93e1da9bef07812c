/** The state of a cluster as tables of pipelines and replicas, as wide as the terminal; once or live. */

import { setTimeout } from "node:timers/promises";
import type { GatewayStatus, PipelineStatus, ReplicaStatus } from "../core/gateway-status.ts";
import { type ClusterState, type ClusterStatus, cluster } from "../library/index.ts";
import type { Cell, Table } from "../reports/tables/table.ts";
import { columnWidths, tableText, total } from "../reports/tables/table-text.ts";
import { endingSignal } from "./failure.ts";

/** A heading, and the cell below it. */
type Column<T> = readonly [heading: string, cell: (of: T) => Cell];

export function statusText(status: ClusterStatus | null, width: number): string {
  if (status === null) return "no cluster is up in this folder";
  const { state, alive, now } = status;
  const head = headText(state, width);
  if (!alive) return `${head}\n\nthe gateway does not answer`;
  if (now === null) return `${head}\n\nthe gateway tells its state to admins only: --token-file`;
  return [
    head,
    `scheduler ${now.scheduler}; rates and quantiles of the last ${now.windowS} s`,
    "",
    tableOfWidth(PIPELINE_COLUMNS, now.pipelines, width),
    "",
    tableOfWidth(replicaColumns(state), now.replicas, width),
    ...sharedQueues(now),
  ].join("\n");
}

function headText({ scenario, backend, gateway, startedAt }: ClusterState, width: number): string {
  const parts = [
    `${scenario} on the ${backend} backend`,
    `gRPC ${gateway.grpc}`,
    `REST ${gateway.http}`,
    gatewayPlace(gateway),
    `up since ${startedAt.slice(0, 19).replace("T", " ")}`,
  ];
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 3 + part.length > width) lines.push(part);
    else lines[lines.length - 1] = `${last} · ${part}`;
  }
  return lines.join("\n");
}

/** A process here has its pid; one elsewhere has a command's. */
export function gatewayPlace({ machine, pid }: ClusterState["gateway"]): string {
  return machine === null ? `gateway pid ${pid}` : `gateway on ${machine}`;
}

const PIPELINE_COLUMNS: readonly Column<PipelineStatus>[] = [
  ["pipeline", ({ name }) => ({ text: name })],
  ["done/s", ({ completedPerS }) => figure(completedPerS.toFixed(1))],
  ["p50 ms", ({ latencyP50Ms }) => ms(latencyP50Ms)],
  ["p99 ms", ({ latencyP99Ms }) => ms(latencyP99Ms)],
  ["failed/s", ({ failedPerS }) => figure(failedPerS.toFixed(1))],
  ["in flight", ({ inFlight }) => figure(inFlight)],
  ["done", ({ completed }) => figure(completed)],
  ["failed", ({ failures }) => figure(Object.values(failures).reduce((sum, n) => sum + n, 0))],
];

function replicaColumns({ workers }: ClusterState): readonly Column<ReplicaStatus>[] {
  const places = new Map(workers.map((worker) => [worker.replica, worker]));
  return [
    ["replica", ({ name }) => ({ text: name })],
    ["state", ({ state }) => ({ text: state })],
    ["busy", ({ utilizationRatio }) => figure(`${(100 * utilizationRatio).toFixed(0)}%`)],
    ["p50 ms", ({ serviceP50Ms }) => ms(serviceP50Ms)],
    ["p99 ms", ({ serviceP99Ms }) => ms(serviceP99Ms)],
    ["queue", ({ queue }) => figure(queue ?? "shared")],
    ["running", ({ inFlight }) => figure(inFlight)],
    ["batch", ({ batchSizeMean }) => figure(batchSizeMean?.toFixed(1) ?? "—")],
    ["losses", ({ losses }) => figure(losses)],
    ["pid", ({ name }) => figure(places.get(name)?.pid ?? "—")],
    [
      "node",
      ({ name, node }) => ({ text: [node, places.get(name)?.machine ?? []].flat().join(" on ") }),
    ],
  ];
}

function figure(value: string | number): Cell {
  return { text: String(value), numeric: true };
}

function sharedQueues({ tasks, replicas }: GatewayStatus): readonly string[] {
  const shared = tasks.filter(({ name }) =>
    replicas.some(({ task, queue }) => task === name && queue === null),
  );
  if (shared.length === 0) return [];
  return [
    "",
    `waiting in shared queues: ${shared.map(({ name, queue }) => `${name} ${queue}`).join(", ")}`,
  ];
}

function ms(value: number | null): Cell {
  return figure(value === null ? "—" : value.toFixed(value < 100 ? 1 : 0));
}

const EVERY_MS = 1000;
const DEFAULT_COLUMNS = 100;
const OTHER_SCREEN = "\x1b[?1049h\x1b[?25l";
const FIRST_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/**
 * Shows a live table on the terminal's alternate screen. Resolves with the last status on Ctrl-C,
 * or when no cluster is up any more; the last table stays on the screen.
 */
export async function watchStatus(
  tokenFile: string | undefined,
  stdout: NodeJS.WriteStream = process.stdout,
): Promise<ClusterStatus | null> {
  const { signal, off } = endingSignal();
  stdout.write(OTHER_SCREEN);
  let text = "";
  let status: ClusterStatus | null = null;
  try {
    while (!signal.aborted) {
      status = await cluster.status({ tokenFile });
      text = statusText(status, stdout.columns ?? DEFAULT_COLUMNS);
      stdout.write(screen(`${text}\n\nCtrl-C ends this`, stdout.rows ?? Number.POSITIVE_INFINITY));
      if (status === null) break;
      await setTimeout(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stdout.write(`${FIRST_SCREEN}${text}\n`);
    off();
  }
  return status;
}

/** Overwrites the last table, so that nothing flickers, and cuts lines that do not fit. */
function screen(text: string, rows: number): string {
  const lines = text.split("\n");
  const shown = lines.length > rows ? [...lines.slice(0, rows - 1), "…"] : lines;
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join("\n")}${CLEAR_BELOW}`;
}

/** A table that fits: the last columns go first, then the first column is cut. */
function tableOfWidth<T>(all: readonly Column<T>[], items: readonly T[], width: number): string {
  const first = (count: number): Table => ({
    caption: "",
    headings: all.slice(0, count).map(([heading]) => heading),
    rows: items.map((item) => all.slice(0, count).map(([, cell]) => cell(item))),
  });
  let count = all.length;
  while (count > 1 && total(columnWidths(first(count))) > width) count--;
  return tableText(first(count), width);
}
