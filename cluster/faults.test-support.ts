/** A deployment whose answers tell what was asked, and load on it that checks each answer. */
import { expect } from "vitest";
import { fingerprintScenario, isAnswerTo, PIPELINE } from "../checks/soak/client.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import type { DeploymentOptions } from "./deploy/options.ts";
import { eventually, NO_INPUTS } from "./deployment.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import type { ControlledReplica, GatewayStatus, ReplicaStatus } from "./observe/gateway-status.ts";
import { InferenceClient } from "./protocol/client.ts";
import type { ModelInferRequest } from "./protocol/messages.ts";
import { outputText } from "./protocol/tensors.ts";
import type { RunReport } from "./run/specification.ts";

export interface Running {
  readonly deployment: Deployment;
  readonly client: InferenceClient;
  readonly stop: () => Promise<void>;
}

export interface Shape extends Partial<DeploymentOptions> {
  readonly holdMs: number;
  /** Replicas of each task, one process each. Default 2. */
  readonly replicas?: number;
}

export async function start({ holdMs, replicas = 2, ...options }: Shape): Promise<Running> {
  const document = fingerprintScenario({ replicas: [replicas, replicas], holdMs });
  const deployed = { document, inputs: NO_INPUTS, seed: "t", replicasPerWorker: 1, ...options };
  const deployment = await startDeployment({ backend: "onnx", ...deployed });
  const client = new InferenceClient(deployment.gateway.grpc);
  const stop = async (): Promise<void> => {
    client.close();
    await deployment.stop();
  };
  return { deployment, client, stop };
}

export async function running(
  shape: Shape,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const own = await start(shape);
  try {
    await use(own);
  } finally {
    await own.stop();
  }
}

export function request(payload: string, key?: string): ModelInferRequest {
  return {
    modelName: PIPELINE,
    ...payloadRequest(Buffer.from(payload)),
    ...(key === undefined ? {} : { parameters: { idempotency_key: { stringParam: key } } }),
  };
}

/** Names of the replicas that serve. */
export async function namesIn(deployment: Deployment): Promise<readonly string[]> {
  const { value } = await control(deployment, "GET");
  return value.replicas.map(({ name }) => name);
}

export async function ask(client: InferenceClient, payload: string, key?: string): Promise<string> {
  return outputText(await client.inferAsync(request(payload, key), {}));
}

export async function getsItsOwn(client: InferenceClient, payload: string): Promise<boolean> {
  return isAnswerTo(Buffer.from(payload), await ask(client, payload));
}

/** Sends `count` different requests at once; whether each got its own answer. */
async function askMany(client: InferenceClient, count: number, name: string): Promise<boolean[]> {
  const payloads = Array.from({ length: count }, (_, i) => `${name} ${i}`);
  return Promise.all(payloads.map((payload) => getsItsOwn(client, payload)));
}

/** Calls that still go on once `use` has ended. */
const MORE = 20;

/** Calls go on, so that no replica is without a batch, while and after `use`; each gets its own answer. */
export async function underLoad<T>(
  client: InferenceClient,
  name: string,
  use: () => Promise<T>,
): Promise<T> {
  let over = false;
  const asked: Promise<boolean[]>[] = [];
  const caller = async (number: number): Promise<void> => {
    while (!over) {
      const answers = askMany(client, 2, `${name} ${number} ${asked.length}`);
      asked.push(answers);
      await answers;
    }
  };
  const callers = Promise.all(Array.from({ length: 4 }, (_, number) => caller(number)));
  // A failed call is reported once the fault is over.
  callers.catch(() => undefined);
  let value: T;
  try {
    value = await use();
    const most = asked.length + MORE;
    await Promise.race([callers, eventually(() => asked.length >= most)]);
  } finally {
    over = true;
  }
  await callers;
  const right = (await Promise.all(asked)).flat();
  expect(right).toEqual(allTrue(right.length));
  return value;
}

/** One replica, all of them, or an error. */
type Controlled = ControlledReplica & {
  readonly replicas: readonly ControlledReplica[];
  readonly error: string;
};

/** A look at the deployment's replicas, or a change of them, over REST. */
export async function control(
  { gateway }: Deployment,
  method: string,
  path = "",
  body?: object,
): Promise<{ readonly status: number; readonly value: Controlled }> {
  const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${gateway.http}/v1/replicas${path}`, {
    method,
    ...(body === undefined ? {} : json),
  });
  const text = await answer.text();
  return { status: answer.status, value: text === "" ? null : JSON.parse(text) };
}

export async function statusOf({ gateway }: Deployment): Promise<GatewayStatus> {
  return (await (await fetch(`${gateway.http}/status`)).json()) as GatewayStatus;
}

/** The report of the present run. */
export async function reportOf({ gateway }: Deployment): Promise<RunReport> {
  return (await (await fetch(`${gateway.http}/run`)).json()) as RunReport;
}

export async function replicaOf(deployment: Deployment, replica: string): Promise<ReplicaStatus> {
  const { replicas } = await statusOf(deployment);
  return replicas.find(({ name }) => name === replica) as ReplicaStatus;
}

/** Waits for a look at the replica of which something holds. */
export function seen(
  deployment: Deployment,
  replica: string,
  holds: (status: ReplicaStatus) => boolean,
): Promise<boolean> {
  return eventually(async () => holds(await replicaOf(deployment, replica)));
}

export const busyWith = (deployment: Deployment, replica: string): Promise<boolean> =>
  seen(deployment, replica, ({ inFlight }) => inFlight > 0);

/** Any replica has a batch. */
export const isBusy = (deployment: Deployment): Promise<boolean> =>
  eventually(async () =>
    (await statusOf(deployment)).replicas.some(({ inFlight }) => inFlight > 0),
  );

export const allTrue = (count: number): boolean[] => new Array<boolean>(count).fill(true);

/** `fault` comes in the middle of a batch, under load: it is noticed, and costs no answer. */
export async function strike(
  { deployment, client }: Running,
  replica: string,
  fault: () => void | Promise<void>,
): Promise<void> {
  const { losses } = await replicaOf(deployment, replica);
  await underLoad(client, replica, async () => {
    expect(await busyWith(deployment, replica)).toBe(true);
    await fault();
    expect(await seen(deployment, replica, (now) => now.losses > losses)).toBe(true);
  });
}

/** The replica gets work again and does it, after any fault. */
export async function servesAgain({ deployment, client }: Running, replica: string): Promise<void> {
  expect(await seen(deployment, replica, ({ state }) => state === "up")).toBe(true);
  const { jobs } = await replicaOf(deployment, replica);
  await underLoad(client, `${replica} again`, async () => {
    expect(await seen(deployment, replica, (now) => now.jobs > jobs)).toBe(true);
  });
}
