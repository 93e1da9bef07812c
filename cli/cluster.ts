/** `tandem cluster …`: the real deployment of this working directory, and its certificates and tokens. */

import { appendFileSync } from "node:fs";
import { resolve } from "node:path";
import { plainInputs } from "../cluster/deploy/options.ts";
import {
  addReplica,
  type ClusterEnd,
  type ClusterState,
  type ClusterStatus,
  clusterDown,
  clusterStatus,
  clusterUp,
  removeReplica,
} from "../cluster/deploy/state.ts";
import { startRecord } from "../cluster/observe/arrival-record.ts";
import { traceTarget } from "../cluster/observe/open-tracing.ts";
import { appendToken, createToken, type Role } from "../cluster/security/access.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { inventoryFor } from "../library/inventory-file.ts";
import { tryOutOwn } from "../library/own-scheduler.ts";
import { shellWord } from "../library/provenance.ts";
import { inputsOf, requireBackend } from "../library/scenario.ts";
import { replicationSeed } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { gatewayPlace, statusText, watchStatus } from "./cluster-status.ts";
import { columns } from "./command-line.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export interface ClusterUpArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly backend: BackendName;
  readonly port?: number;
  readonly spare: number;
  readonly trace?: string;
  readonly record?: string;
  readonly host?: string;
  readonly certs?: string;
  readonly tokens?: string;
  readonly allowOrigin?: readonly string[];
  readonly on?: string;
}

export interface ClusterArguments {
  readonly json: boolean;
  readonly tokenFile?: string;
}

export async function clusterUpCommand(args: ClusterUpArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: true });
  requireBackend(loaded, args.backend);
  tryOutOwn(loaded, [{ id: "base", parameters: {}, document: loaded.document }]);
  const inventory = inventoryFor(args.on, [loaded.document]);
  const { replicas } = compileSystem(loaded.document, loaded);
  const trace = traceTarget(args.trace);
  if (trace !== null && !trace.startsWith("http")) checkTraceFile(trace);
  if (args.port !== undefined) checkPort(args.port, replicas.length);
  checkSpare(args.spare);
  if (args.record !== undefined) startRecord(resolve(args.record));
  const state = await clusterUp({
    document: loaded.document,
    inputs: plainInputs(inputsOf(loaded)),
    backend: args.backend,
    seed: replicationSeed(loaded.document.run.seed, 0),
    spareReplicas: args.spare,
    ...(inventory === undefined ? {} : { inventory }),
    ...(args.port === undefined ? {} : { basePort: args.port }),
    ...(trace === null ? {} : { trace }),
    ...(args.record === undefined ? {} : { record: resolve(args.record) }),
    ...(args.host === undefined ? {} : { host: args.host }),
    ...(args.certs === undefined ? {} : { certificates: resolve(args.certs) }),
    ...(args.tokens === undefined ? {} : { tokens: resolve(args.tokens) }),
    origins: checkedOrigins(args.allowOrigin ?? []),
  });
  print(args.json, state, `${stateText(state)}\n${nextSteps(args, loaded, state)}`);
}

/** A first load test is short. */
const FIRST_LOAD_S = 30;

function nextSteps(
  { scenario, certs }: ClusterUpArguments,
  { document: { workload } }: ReadyScenario,
  { gateway }: ClusterState,
): string {
  const isLong = "durationS" in workload && (workload.durationS ?? 0) > FIRST_LOAD_S;
  const words = [
    ...["npx tandem load", shellWord(scenario), "--url", gateway.grpc],
    ...(certs === undefined ? [] : ["--certs", shellWord(certs)]),
    ...(isLong ? ["--duration", FIRST_LOAD_S] : []),
  ];
  return `web app: ${gateway.http}\nnext: ${words.join(" ")}`;
}

/** Throws Fault("usage") for a text that is no origin. */
function checkedOrigins(texts: readonly string[]): readonly string[] {
  for (const text of texts) {
    if (URL.canParse(text) && new URL(text).origin === text) continue;
    const hint = "an origin is scheme, host and port, in small letters, without a path";
    throw new Fault("usage", `--allow-origin: expected https://host[:port], got ${text}`, { hint });
  }
  return texts;
}

export interface ClusterStatusArguments extends ClusterArguments {
  /** Default: on a terminal. */
  readonly watch?: boolean;
}

/** Throws Fault("cluster-failure") when the gateway of a cluster that is up does not answer. */
export async function clusterStatusCommand(args: ClusterStatusArguments): Promise<void> {
  const { json, tokenFile = null, watch = process.stdout.isTTY === true && !json } = args;
  const status = watch ? await watchStatus(tokenFile) : await clusterStatus(undefined, tokenFile);
  if (!watch) print(json, status, statusText(status, columns()));
  if (status === null || status.alive) return;
  throw new Fault(
    "cluster-failure",
    `the gateway at ${status.state.gateway.http} does not answer`,
    {
      hint: ".tandem/supervisor.log may say why; `tandem cluster down` ends what is left",
      issues: leftoverLines(status).map((message) => ({ path: "", message })),
    },
  );
}

/** Lists the processes that a deployment without a gateway has left on other machines. */
function leftoverLines({ leftovers }: ClusterStatus): readonly string[] {
  if (leftovers === null) return [];
  return [...leftovers.found.map((line) => `still there: ${line}`), ...leftovers.unknown];
}

export interface ClusterAddArguments extends ClusterArguments {
  readonly task: string;
  readonly node?: string;
}

export async function clusterAddCommand(args: ClusterAddArguments): Promise<void> {
  const { task, node, json, tokenFile } = args;
  const asked = { task, ...(node === undefined ? {} : { node }) };
  const added = await addReplica(asked, undefined, tokenFile);
  print(json, added, `${added.name} is up at ${added.address}`);
}

export interface ClusterRemoveArguments extends ClusterArguments {
  readonly replica: string;
}

export async function clusterRemoveCommand(args: ClusterRemoveArguments): Promise<void> {
  const { replica, json, tokenFile } = args;
  await removeReplica(replica, undefined, tokenFile);
  print(json, { name: replica }, `${replica} is gone; its last batch ran to its end`);
}

export async function clusterDownCommand({ json }: ClusterArguments): Promise<void> {
  const end = await clusterDown();
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
  const lines = workers.map(({ replica, machine, pid, address }) =>
    machine === null
      ? `  ${replica} at ${address}, pid ${pid}`
      : `  ${replica} on ${machine}, at ${address}`,
  );
  return [
    `${scenario} on the ${backend} backend: REST ${gateway.http}, gRPC ${gateway.grpc}, ${gatewayPlace(gateway)}`,
    ...lines,
  ].join("\n");
}

function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${text}\n`);
}

const LAST_PORT = 65_535;
const MOST_SPARE = 1000;

/**
 * REST takes the port, gRPC the next, and each of `workers` processes one more. Throws Fault("usage").
 */
export function checkPort(port: number, workers: number): void {
  const most = LAST_PORT - 1 - workers;
  if (Number.isInteger(port) && port >= 1 && port <= most) return;
  throw new Fault("usage", `--port is a whole number from 1 to ${most}, got ${port}`, {
    hint:
      workers === 0
        ? "REST takes it, gRPC the next"
        : `REST takes it, gRPC the next, and ${workers} workers those after; without, all get free ones`,
  });
}

/** Throws Fault("usage"). */
export function checkSpare(spare: number): void {
  if (Number.isInteger(spare) && spare >= 0 && spare <= MOST_SPARE) return;
  throw new Fault("usage", `--spare is a whole number from 0 to ${MOST_SPARE}, got ${spare}`);
}

/** Whether a file that traces go to can be written. Throws Fault("usage"). */
export function checkTraceFile(path: string): void {
  try {
    appendFileSync(path, "");
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Fault("usage", `traces cannot be written to ${path}: ${why}`, { cause });
  }
}

export interface CertsArguments {
  readonly directory: string;
  readonly host: readonly string[];
  readonly days: number;
  readonly force: boolean;
  readonly newCa: boolean;
  readonly json: boolean;
}

export async function certs(args: CertsArguments): Promise<void> {
  const { directory, days, force, newCa, json } = args;
  const hosts = args.host.flatMap((list) => list.split(",")).map((host) => host.trim());
  const { writeCertificates } = await import("../cluster/security/certificate-files.ts");
  const written = await writeCertificates(directory, { hosts, days, force, newAuthority: newCa });
  if (json) {
    process.stdout.write(`${JSON.stringify(written)}\n`);
    return;
  }
  const authority =
    written.authority === "new" ? "a new authority" : "the authority that was there";
  process.stdout.write(
    `${[
      `wrote ${written.files.join(", ")} to ${written.directory}`,
      `signed by ${authority}, for ${written.hosts.join(", ")}, until ${written.expiresAt}`,
      "callers need ca.crt, and client.* or admin.* or a token; ca.key can be kept elsewhere",
      `next: npx tandem cluster up SCENARIO --certs ${directory}`,
    ].join("\n")}\n`,
  );
}

export interface TokenArguments {
  readonly role: Role;
  readonly name: string;
  readonly file?: string;
  readonly json: boolean;
}

export function token(args: TokenArguments): void {
  const made = createToken(args.role, args.name);
  if (args.file !== undefined) appendToken(args.file, made.line);
  if (args.json) {
    process.stdout.write(`${JSON.stringify({ ...made, file: args.file ?? null })}\n`);
    return;
  }
  // The token alone on stdout, so that a script can take it.
  process.stdout.write(`${made.token}\n`);
  process.stderr.write(
    args.file === undefined
      ? `its line for the tokens file: ${made.line}\n`
      : `its hash was added to ${args.file}; the token itself is shown only now\n`,
  );
}
