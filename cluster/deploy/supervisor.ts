/**
 * The parent process of a detached deployment. It ends on SIGTERM, when the gateway is lost, or when its
 * starter is gone before it is ready.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { type ChildMessage, failureMessage } from "../processes/child-side.ts";
import { type Deployment, startDeployment } from "./deployment.ts";
import {
  type ClusterOptions,
  type ClusterState,
  savedInventory,
  stateFile,
  writeState,
} from "./state.ts";

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

const say = (line: string): void =>
  void process.stdout.write(`${new Date().toISOString()} ${line}\n`);

async function supervise({ options, directory }: SupervisorSpecification): Promise<void> {
  const file = stateFile(directory);
  const startedAt = new Date().toISOString();
  let deployment: Deployment | null = null;
  const save = (): void => {
    if (deployment === null) return;
    writeState(directory, stateOf(options, deployment, startedAt));
  };
  mkdirSync(dirname(file), { recursive: true });
  deployment = await startDeployment({
    ...options,
    directory: dirname(file),
    onEvent: (line) => {
      say(line);
      save();
    },
  });
  const up = deployment;
  let ending = false;
  const end = (code: number, reason: string): void => {
    if (ending) return;
    say(`down: ${reason}`);
    ending = true;
    deployment = null;
    up.stop().then(() => {
      rmSync(file, { force: true });
      process.exit(code);
    });
  };
  process.on("SIGTERM", () => end(0, "asked to end"));
  up.gatewayLost.then(() => end(4, "the gateway was lost"));
  save();
  process.off("disconnect", abandoned);
  send({ kind: "ready", value: stateOf(options, up, startedAt), pid: process.pid });
}

function stateOf(options: ClusterOptions, up: Deployment, startedAt: string): ClusterState {
  return {
    id: up.id,
    scenario: options.document.name,
    backend: up.backend,
    timeScale: up.timeScale,
    startedAt,
    command: options.command ?? null,
    supervisorPid: process.pid,
    certificates: options.certificates ?? null,
    inventory: savedInventory(options.inventory),
    gateway: up.gateway,
    workers: up.workers,
  };
}
