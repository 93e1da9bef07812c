/** Small deployments for tests: real processes, short service times. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Fault } from "../engine/basics/fault.ts";
import type { MeasuredInputs } from "../scenario/compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import type { DeploymentOptions } from "./deploy/options.ts";
import { entryPoint } from "./processes/link.ts";

export const NO_INPUTS: MeasuredInputs = { profiles: {} };

/** Two tasks, the second for a share of the requests. */
export function twoTasks(overrides: Readonly<Record<string, unknown>> = {}): ScenarioDocument {
  return scenarioSchema.parse({
    name: "two-tasks",
    pipelines: {
      vehicles: {
        tasks: {
          detect: { model: "detector" },
          plate: {
            model: "reader",
            after: ["detect"],
            when: { contains: "car", probability: 0.6 },
          },
        },
      },
    },
    models: {
      detector: { service: { distribution: "exponential", meanMs: 8 } },
      reader: { service: { distribution: "lognormal", meanMs: 12, cv: 0.5 } },
    },
    cluster: { replicas: { detect: 2, plate: 1 } },
    workload: { arrivals: "poisson", ratePerS: 50, requests: 60 },
    ...overrides,
  });
}

/** The same on one replica of each, a process each where they have one each. */
export const TWO_REPLICAS = { cluster: { replicas: { detect: 1, plate: 1 } } };

/** One task that answers at once, by a real model's way. */
export function noOp(overrides: Readonly<Record<string, unknown>> = {}): ScenarioDocument {
  return scenarioSchema.parse({
    name: "no-op",
    pipelines: { echo: { tasks: { only: { model: "nothing" } } } },
    models: {
      nothing: {
        service: { distribution: "deterministic", meanMs: 1 },
        implementation: { name: "no-op" },
      },
    },
    cluster: { replicas: { only: 1 } },
    workload: { arrivals: "burst", requests: 20 },
    ...overrides,
  });
}

/** Starts a deployment, hands it over, stops it whatever happens. */
export async function withDeployment<T>(
  options: Partial<DeploymentOptions> & Pick<DeploymentOptions, "document" | "backend">,
  use: (deployment: Deployment) => Promise<T>,
): Promise<T> {
  const deployment = await startDeployment({ inputs: NO_INPUTS, seed: "test", ...options });
  try {
    return await use(deployment);
  } finally {
    await deployment.stop();
  }
}

export function pidsOf(deployment: Deployment): readonly number[] {
  return [deployment.gateway.pid, ...deployment.workers.map(({ pid }) => pid)];
}

/**
 * While `use` runs, no worker does, so that nothing which is sent meanwhile is finished, however long
 * that takes. Workers that stand still for longer than a second are lost, and are back afterwards.
 */
export async function withWorkersStopped<T>(
  { workers }: Deployment,
  use: () => Promise<T>,
): Promise<T> {
  const pids = new Set(workers.map(({ pid }) => pid));
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    return await use();
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}

/** Whether a process runs; one that has ended but was not collected does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true;
  }
}

/** A process that is started on a busy machine takes some seconds. */
const PATIENCE_MS = 30_000;

/** Waits until a condition holds; false when it does not within the time. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<boolean> {
  const giveUpAt = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > giveUpAt) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Why something was refused, which must not succeed. */
export function faultOf(refused: Promise<unknown>): Promise<Fault> {
  return refused.then(
    () => expect.unreachable(),
    (error: Fault) => error,
  );
}

const PARENT = `
import { startDeployment } from ${JSON.stringify(entryPoint("deploy/deployment").href)};
const deployment = await startDeployment(JSON.parse(process.argv[1]));
const pids = [deployment.gateway.pid, ...deployment.workers.map((worker) => worker.pid)];
process.stdout.write(JSON.stringify(pids) + "\\n");
setInterval(() => undefined, 1000);
`;

/** A deployment ends with its parent, whichever signal that gets. */
export async function expectEndWithParent(signal: NodeJS.Signals): Promise<void> {
  const { pid, children } = await deployingParent();
  expect(children).toHaveLength(3);
  expect(children.every(isRunning)).toBe(true);
  process.kill(pid, signal);
  expect(await eventually(() => !children.some(isRunning))).toBe(true);
}

/** A parent that starts a deployment and waits; gives its children's pids. */
export async function deployingParent(): Promise<{ pid: number; children: readonly number[] }> {
  const deployed = {
    document: twoTasks(TWO_REPLICAS),
    inputs: NO_INPUTS,
    backend: "replay",
    seed: "test",
  };
  const options = { ...deployed, replicasPerWorker: 1 };
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", PARENT, JSON.stringify(options)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (data: Buffer) => resolve(data.toString()));
    child.once("exit", (code) => reject(new Error(`the parent ended with ${code}`)));
  });
  return { pid: child.pid as number, children: JSON.parse(line) as number[] };
}
