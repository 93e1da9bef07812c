/**
 * The parent process of a detached deployment. It ends on SIGTERM, when the gateway is lost, or when its
 * starter is gone before it is ready.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type ChildMessage, failureMessage } from "../processes/child-side.ts";
import { type Deployment, startDeployment } from "./deployment.ts";
import { type ClusterOptions, type ClusterState, savedInventory, stateFile } from "./state.ts";

interface SupervisorSpecification {
  readonly options: ClusterOptions;
  readonly directory: string;
}

const send = (message: ChildMessage<ClusterState>): void => void process.send?.(message);
const abandoned = (): void => process.exit(1);
process.on("disconnect", abandoned);
process.on("SIGINT", () => undefined);
process.once("message", (specification) => {
  supervise(specification as SupervisorSpecification).catch((error: unknown) => {
    send(failureMessage(error));
    process.exitCode = 1;
    process.disconnect?.();
  });
});

async function supervise({ options, directory }: SupervisorSpecification): Promise<void> {
  const file = stateFile(directory);
  const startedAt = new Date().toISOString();
  let deployment: Deployment | null = null;
  const save = (): void => {
    if (deployment === null) return;
    const state = stateOf(options, deployment, startedAt);
    writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  };
  mkdirSync(dirname(file), { recursive: true });
  deployment = await startDeployment({
    ...options,
    directory: dirname(file),
    onEvent: (line) => {
      process.stdout.write(`${new Date().toISOString()} ${line}\n`);
      save();
    },
  });
  const up = deployment;
  let ending = false;
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    deployment = null;
    up.stop().then(() => {
      rmSync(file, { force: true });
      process.exit(code);
    });
  };
  process.on("SIGTERM", () => end(0));
  up.gatewayLost.then(() => end(4));
  save();
  process.off("disconnect", abandoned);
  send({ kind: "ready", value: stateOf(options, up, startedAt) });
}

function stateOf(options: ClusterOptions, up: Deployment, startedAt: string): ClusterState {
  return {
    id: up.id,
    scenario: options.document.name,
    backend: up.backend,
    timeScale: up.timeScale,
    startedAt,
    supervisorPid: process.pid,
    certificates: options.certificates ?? null,
    inventory: savedInventory(options.inventory),
    gateway: up.gateway,
    workers: up.workers,
  };
}
