/** `tandem cluster …`: the real deployment of this working directory, and its certificates and tokens. */
import { hostname } from "node:os";
import { Fault } from "../core/fault.ts";
import {
  type ClusterEnd,
  type ClusterState,
  type ClusterStatus,
  type ClusterUpOptions,
  cluster,
  repeatCommand,
  type ScenarioDocument,
} from "../library/index.ts";
import { gatewayPlace, statusText, watchStatus } from "./cluster-status.ts";
import { columns, print } from "./command-line.ts";
import { listed, loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export interface ClusterUpArguments extends ScenarioArguments, ClusterUpOptions {
  readonly json: boolean;
  readonly allowOrigin?: readonly string[];
}

export interface ClusterArguments {
  readonly json: boolean;
  readonly tokenFile?: string;
}

export async function clusterUpCommand(args: ClusterUpArguments): Promise<void> {
  const loaded = await loadScenario(args);
  const state = await cluster.up(loaded, { ...args, origins: args.allowOrigin });
  print(args.json, state, `${stateText(state)}\n${nextStep(args, loaded.document, state)}`);
}

/** A first load test is short. */
const FIRST_LOAD_S = 30;

export function nextStep(
  { scenario, set, certs }: ClusterUpArguments,
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
  args: ClusterArguments & { readonly watch?: boolean },
): Promise<void> {
  const { json, tokenFile, watch = process.stdout.isTTY === true && !json } = args;
  const status = watch ? await watchStatus(tokenFile) : await cluster.status({ tokenFile });
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

export async function clusterAddCommand({
  json,
  task,
  ...at
}: ClusterArguments & { readonly task: string; readonly node?: string }): Promise<void> {
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

export async function clusterDownCommand({ json }: ClusterArguments): Promise<void> {
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
  const lines = workers.map(({ replica, machine, pid, address }) =>
    machine === null
      ? `  ${replica} at ${address}, pid ${pid}`
      : `  ${replica} on ${machine}, at ${address}`,
  );
  const [http, grpc] = [new URL(gateway.http).port, gateway.grpc.split(":").at(-1)];
  const forward = (port: string | undefined): string => `-L ${port}:127.0.0.1:${port}`;
  const away = `  from your own machine: ssh -N ${forward(http)} ${forward(grpc)} ${hostname()}`;
  return [
    `${scenario} on the ${backend} backend: web page and REST ${gateway.http}/, gRPC ${gateway.grpc}, ${gatewayPlace(gateway)}`,
    ...(gateway.machine === null ? [] : [away]),
    ...lines,
  ].join("\n");
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
  const hosts = args.host.flatMap(listed);
  const written = await cluster.certs(directory, { hosts, days, force, newAuthority: newCa });
  const authority =
    written.authority === "new" ? "a new authority" : "the authority that was there";
  const lines = [
    `wrote ${written.files.join(", ")} to ${written.directory}`,
    `signed by ${authority}, for ${written.hosts.join(", ")}, until ${written.expiresAt}`,
    "callers need ca.crt, and client.* or admin.* or a token; ca.key can be kept elsewhere",
    `next: npx tandem cluster up SCENARIO --certs ${directory}`,
  ];
  print(json, written, lines.join("\n"));
}

export interface TokenArguments {
  readonly role: "infer" | "admin";
  readonly name: string;
  readonly file?: string;
  readonly json: boolean;
}

export async function token(args: TokenArguments): Promise<void> {
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
