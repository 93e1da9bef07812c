/** `tandem cluster up|status|down`: the real deployment of this working directory. */

import { resolve } from "node:path";
import {
  type ClusterState,
  clusterDown,
  clusterStatus,
  clusterUp,
} from "../cluster/deploy/state.ts";
import { traceTarget } from "../cluster/observe/open-tracing.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { replicationSeed } from "../sim/replication.ts";
import { checkPort, checkSpare, checkTraceFile } from "./cluster-options.ts";
import { columns } from "./command-line.ts";
import { inputsOf, loadScenario, requireBackend, type ScenarioArguments } from "./scenario-file.ts";
import { statusText } from "./status-table.ts";
import { watchStatus } from "./watch-status.ts";

export interface ClusterUpArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly backend: BackendName;
  readonly port?: number;
  readonly spare: number;
  readonly trace?: string;
  readonly host?: string;
  readonly certs?: string;
  readonly tokens?: string;
}

export interface ClusterArguments {
  readonly json: boolean;
  readonly tokenFile?: string;
}

export async function clusterUpCommand(args: ClusterUpArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: true });
  requireBackend(loaded, args.backend);
  const { replicas } = compileSystem(loaded.document, loaded);
  const trace = traceTarget(args.trace);
  if (trace !== null && !trace.startsWith("http")) checkTraceFile(trace);
  if (args.port !== undefined) checkPort(args.port, replicas.length);
  checkSpare(args.spare);
  const state = await clusterUp({
    document: loaded.document,
    inputs: inputsOf(loaded),
    backend: args.backend,
    seed: replicationSeed(loaded.document.run.seed, 0),
    spareReplicas: args.spare,
    ...(args.port === undefined ? {} : { basePort: args.port }),
    ...(trace === null ? {} : { trace }),
    ...(args.host === undefined ? {} : { host: args.host }),
    ...(args.certs === undefined ? {} : { certificates: resolve(args.certs) }),
    ...(args.tokens === undefined ? {} : { tokens: resolve(args.tokens) }),
  });
  const next = `next: npx tandem load ${args.scenario} --url ${state.gateway.grpc}${args.certs === undefined ? "" : ` --certs ${args.certs}`}`;
  print(args.json, state, `${stateText(state)}\n${next}`);
}

export interface ClusterStatusArguments extends ClusterArguments {
  /** Default: on a terminal. */
  readonly watch?: boolean;
}

/** Throws Fault("cluster-failure") where a cluster should be up whose gateway does not answer. */
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
    },
  );
}

export async function clusterDownCommand({ json }: ClusterArguments): Promise<void> {
  const state = await clusterDown();
  print(json, state, state === null ? "nothing was up" : `stopped ${state.scenario}`);
}

function stateText({ scenario, backend, gateway, workers }: ClusterState): string {
  const lines = workers.map(
    ({ replica, pid, address }) => `  ${replica} at ${address}, pid ${pid}`,
  );
  return [
    `${scenario} on the ${backend} backend: REST ${gateway.http}, gRPC ${gateway.grpc}, pid ${gateway.pid}`,
    ...lines,
  ].join("\n");
}

function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${text}\n`);
}
