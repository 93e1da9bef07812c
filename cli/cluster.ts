/**
 * `tandem cluster …`: the real deployment of this working directory, with the live table of its state, its certificates
 * and tokens; and `tandem web`, the page before it or another server.
 */

import { once } from "node:events";
import { hostname, networkInterfaces } from "node:os";
import { setTimeout } from "node:timers/promises";
import type {
  GatewayStatus,
  PipelineStatus,
  ReplicaStatus,
} from "../cluster/observe/gateway-status.ts";
import { Fault } from "../engine/basics/fault.ts";
import {
  type ClusterEnd,
  type ClusterState,
  type ClusterStatus,
  cluster,
  repeatCommand,
  type ScenarioDocument,
  web as serveWeb,
} from "../library/index.ts";
import { givenOptions, type Values } from "../library/option.ts";
import type { SERVE, WEB } from "../library/options.ts";
import { wrapped } from "../reports/tables/format.ts";
import { type Cell, type Column, numberCell, tableOf } from "../reports/tables/table.ts";
import { columnWidths, tableText, total } from "../reports/tables/table-text.ts";
import { columns, print } from "./command-line.ts";
import { endingSignal } from "./failure.ts";
import {
  type Arguments,
  type ASKING,
  type CERTS,
  CLUSTER_UP_COMMAND,
  type DIRECTORY,
  type JSON_OPTION,
  type SCENARIO,
  type TOKEN,
} from "./options.ts";
import { duration } from "./progress.ts";
import { listed, loadScenario } from "./scenario-file.ts";

type ClusterUpArguments = Arguments<typeof SCENARIO, typeof CLUSTER_UP_COMMAND>;
type ClusterArguments = Values<typeof ASKING>;

export async function clusterUpCommand(args: ClusterUpArguments): Promise<void> {
  const loaded = await loadScenario(args);
  const given = givenOptions(CLUSTER_UP_COMMAND, args);
  const command = repeatCommand("cluster up", args.scenario, given);
  const state = await cluster.up(loaded, { ...args, usualPorts: true, command });
  const text = [
    stateText(state),
    ...elsewhereLines(state, args.host),
    nextStep(args, loaded.document, state),
  ];
  print(args.json, state, text.join("\n"));
}

/** A first load test is short. */
const FIRST_LOAD_S = 30;

export function nextStep(
  { scenario, set, certs }: Pick<ClusterUpArguments, "scenario" | "set" | "certs">,
  { workload }: ScenarioDocument,
  { gateway }: ClusterState,
): string {
  const isLong = "durationS" in workload && (workload.durationS ?? 0) > FIRST_LOAD_S;
  const duration = isLong ? FIRST_LOAD_S : undefined;
  return `next: ${repeatCommand("load", scenario, { url: gateway.grpc, set, certs, duration })}`;
}

/**
 * `watch` is the default on a terminal. Throws Fault("cluster-failure") when the gateway of a cluster that is up does
 * not answer.
 */
export async function clusterStatusCommand(
  args: ClusterArguments & { readonly watch?: boolean | undefined },
): Promise<void> {
  const { json, tokenFile, watch = process.stdout.isTTY === true && !json } = args;
  const status = watch ? await watchStatus(tokenFile) : await cluster.status({ tokenFile });
  if (!watch) print(json, status, statusText(status, columns()));
  if (status === null || status.alive) return;
  throw new Fault(
    "cluster-failure",
    `the gateway at ${status.state.gateway.http} does not answer`,
    {
      hint: `.tandem/supervisor.log may say why; \`tandem cluster down\` ends what is left${startAgain(status)}`,
      issues: [...lostSupervisor(status), ...leftoverLines(status)].map((message) => ({
        path: "",
        message,
      })),
    },
  );
}

function lostSupervisor({ supervised, state }: ClusterStatus): readonly string[] {
  return supervised ? [] : [`its supervisor, pid ${state.supervisorPid}, is gone`];
}

function startAgain({ supervised, state: { command } }: ClusterStatus): string {
  return supervised || command === null ? "" : `, then: ${command}`;
}

/** Lists the processes that a deployment without a gateway has left on other machines. */
function leftoverLines({ leftovers }: ClusterStatus): readonly string[] {
  if (leftovers === null) return [];
  return [...leftovers.found.map((line) => `still there: ${line}`), ...leftovers.unknown];
}

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
    ...lostReplicas(now, width),
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

function gatewayPlace({ machine, pid }: ClusterState["gateway"]): string {
  return `gateway ${machine === null ? "" : `on ${machine}, `}pid ${pid}`;
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
  const places = new Map(workers.map((worker) => [wholeName(worker.replica), worker]));
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
    ["pid", ({ name }) => figure(places.get(name)?.pid || "—")],
    [
      "node",
      ({ name, node }) => ({ text: [node, places.get(name)?.machine ?? []].flat().join(" on ") }),
    ],
  ];
}

/** All places of an engine are on one worker: `write-1/7` is one of `write-1`. */
function wholeName(replica: string): string {
  return replica.replace(/\/\d+$/, "");
}

function figure(value: string | number): Cell {
  return numberCell(String(value));
}

/** Why, and for how long. */
function lostReplicas({ replicas }: GatewayStatus, width: number): readonly string[] {
  return replicas.flatMap(({ name, lost }) =>
    lost === null
      ? []
      : [wrapped(`${name} is down for ${duration(lost.agoS)}: ${lost.reason}`, width)],
  );
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
async function watchStatus(tokenFile: string | undefined): Promise<ClusterStatus | null> {
  const { stdout } = process;
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
  const first = (count: number) => tableOf("", items, all.slice(0, count));
  let count = all.length;
  while (count > 1 && total(columnWidths(first(count))) > width) count--;
  return tableText(first(count), width);
}

export async function clusterAddCommand({
  json,
  task,
  ...at
}: ClusterArguments & {
  readonly task: string;
  readonly node?: string | undefined;
}): Promise<void> {
  const added = await cluster.add(task, at);
  print(json, added, `${added.name} is up at ${added.address}`);
}

export async function clusterRemoveCommand({
  json,
  replica,
  ...at
}: ClusterArguments & { readonly replica: string }): Promise<void> {
  await cluster.remove(replica, at);
  print(json, { name: replica }, `${replica} is gone; its last batch ran to its end`);
}

export async function clusterDownCommand({ json }: Values<typeof JSON_OPTION>): Promise<void> {
  const end = await cluster.down();
  print(json, end?.state ?? null, end === null ? "nothing was up" : endText(end));
  if (end === null || end.leftovers.unknown.length === 0) return;
  throw new Fault("cluster-failure", "not every machine could be asked what it still runs", {
    issues: end.leftovers.unknown.map((message) => ({ path: "", message })),
    hint: "its workers end by themselves, as they hear no gateway; `tandem cluster down` asks again",
  });
}

function endText({ state, ran, leftovers }: ClusterEnd): string {
  const gone = ran ? "" : "; its processes on this machine were gone already";
  const ended = leftovers.found.map((line) => `  ended ${line}`);
  return [`stopped ${state.scenario}${gone}`, ...ended].join("\n");
}

function stateText({ scenario, backend, gateway, workers }: ClusterState): string {
  const lines = workers.map(({ replica, machine, pid, address }) => {
    const place = machine === null ? "" : ` on ${machine},`;
    // Another server's process is not known.
    return `  ${wholeName(replica)}${place} at ${address}${pid === 0 ? "" : `, pid ${pid}`}`;
  });
  const [http, grpc] = [new URL(gateway.http).port, gateway.grpc.split(":").at(-1)];
  const forward = (port: string | undefined): string => `-L ${port}:127.0.0.1:${port}`;
  const away = `  from your own machine: ssh -N ${forward(http)} ${forward(grpc)} ${hostname()}`;
  return [
    `${scenario} on the ${backend} backend: web page and REST ${gateway.http}/, gRPC ${gateway.grpc}, ${gatewayPlace(gateway)}`,
    ...(gateway.machine === null ? [] : [away]),
    ...new Set(lines),
  ].join("\n");
}

/** A gateway that listens on every address of this machine: where others reach it. */
function elsewhereLines({ gateway }: ClusterState, host: string | undefined): readonly string[] {
  const family = { "0.0.0.0": "IPv4", "::": "IPv6" }[host ?? ""];
  if (family === undefined || gateway.machine !== null) return [];
  const found = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return found
    .filter((one) => one.family === family && !one.internal)
    .map(({ address }) => {
      const at = family === "IPv6" ? `[${address}]` : address;
      const { protocol, port } = new URL(gateway.http);
      const grpc = gateway.grpc.split(":").at(-1);
      return `  from other machines: ${protocol}//${at}:${port}/, gRPC ${at}:${grpc}`;
    });
}

export async function certs(args: Arguments<typeof DIRECTORY, typeof CERTS>): Promise<void> {
  const { directory, days, force, newCa, json } = args;
  const hosts = args.host.flatMap(listed);
  const written = await cluster.certs(directory, { hosts, days, force, newAuthority: newCa });
  const authority =
    written.authority === "new" ? "a new authority" : "the authority that was there";
  const lines = [
    `wrote ${written.files.join(", ")} to ${written.directory}`,
    `signed by ${authority}, for ${written.hosts.join(", ")}, until ${written.expiresAt}`,
    "callers need ca.crt, and client.* or admin.* or a token; ca.key can be kept elsewhere",
    `next: ${repeatCommand("cluster up", "SCENARIO", { certs: directory })}`,
  ];
  print(json, written, lines.join("\n"));
}

export async function token(args: Values<typeof TOKEN>): Promise<void> {
  const made = await cluster.token(args.role, args.name, args.file);
  // The token alone on stdout, so that a script can take it.
  print(args.json, { ...made, file: args.file ?? null }, made.token);
  if (args.json) return;
  process.stderr.write(
    args.file === undefined
      ? `its line for the tokens file: ${made.line}\n`
      : `its hash was added to ${args.file}; the token itself is shown only now\n`,
  );
}

/** Resolves once SIGTERM or SIGINT has ended it in order. */
export async function serve(args: Values<typeof SERVE>): Promise<void> {
  const { signal, off } = endingSignal();
  try {
    const onNote = (line: string): void => void process.stderr.write(`${line}\n`);
    await cluster.serve({ ...args, signal, onNote });
  } finally {
    off();
  }
}

/** Serves the web app until a signal ends it. */
export async function web({
  json,
  ...options
}: Values<typeof WEB & typeof JSON_OPTION>): Promise<void> {
  const { page, server, silence, close } = await serveWeb(options);
  const serving = server === null ? "" : `, before ${server}`;
  const document = { schema: "tandem/web@1", page, server };
  print(json, document, `the web app is at ${page}${serving}; Ctrl-C ends it`);
  const why = await silence;
  if (why !== null) process.stderr.write(`note: ${why}; the page connects when it is up\n`);
  const { signal, off } = endingSignal();
  await once(signal, "abort");
  off();
  await close();
  if (signal.reason === "SIGINT") throw new Fault("interrupted", "interrupted");
}
