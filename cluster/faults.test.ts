import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
/**
 * What happens to a deployment's processes, on real ones. Answers are told apart by their content:
 * each is a hash of what was sent. No latency is asserted, only that everything is answered, rightly
 * and once, while the fault lasts.
 */
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { needs } from "../core/needs.test-support.ts";
import { eventually, isRunning, NO_INPUTS, withWorkersStopped } from "./deployment.test-support.ts";
import { type Deployment, type DeploymentOptions, startDeployment } from "./deployment.ts";
import type { GatewayStatus, ReplicaStatus } from "./observe/status.ts";
import { bytesTensor, elementsOf } from "./protocol/bytes-tensor.ts";
import { InferenceClient } from "./protocol/client.ts";
import type { ModelInferRequest } from "./protocol/messages.ts";
import { exhaustMemory, kill, terminate } from "./soak/faults.ts";
import { fingerprintScenario, isAnswerTo, PIPELINE } from "./soak/fingerprint-scenario.ts";
import { NetworkCells } from "./soak/network-cells.ts";
import { PersistentClient } from "./soak/persistent-client.ts";
import { isolated } from "./soak/soak.ts";

interface Running {
  readonly deployment: Deployment;
  readonly client: InferenceClient;
  readonly stop: () => Promise<void>;
}

interface Shape extends Partial<DeploymentOptions> {
  readonly holdMs: number;
  /** Of each task, a process each. Default 2. */
  readonly replicas?: number;
}

async function start({ holdMs, replicas = 2, ...options }: Shape): Promise<Running> {
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

async function running(shape: Shape, use: (running: Running) => Promise<void>): Promise<void> {
  const own = await start(shape);
  try {
    await use(own);
  } finally {
    await own.stop();
  }
}

function request(payload: string, key?: string): ModelInferRequest {
  const { tensor, raw } = bytesTensor("payload", [Buffer.from(payload)]);
  return {
    modelName: PIPELINE,
    inputs: [tensor],
    rawInputContents: [raw],
    ...(key === undefined ? {} : { parameters: { idempotency_key: { stringParam: key } } }),
  };
}

async function ask(client: InferenceClient, payload: string, key?: string): Promise<string> {
  const { outputs, rawOutputContents = [] } = await client.inferAsync(request(payload, key), {});
  const [text] = elementsOf(outputs, rawOutputContents, "output") ?? [];
  return Buffer.from(text).toString();
}

/** Sends `count` different requests at once; whether each got its own answer. */
async function askMany(client: InferenceClient, count: number, name: string): Promise<boolean[]> {
  const payloads = Array.from({ length: count }, (_, i) => `${name} ${i}`);
  const texts = await Promise.all(payloads.map((payload) => ask(client, payload)));
  return texts.map((text, i) => isAnswerTo(Buffer.from(payloads[i]), text));
}

/** Calls go on, so that no replica is without a batch, until `use` has ended; each gets its own answer. */
async function underLoad(
  client: InferenceClient,
  name: string,
  use: () => Promise<void>,
): Promise<void> {
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
  // One that fails is told of once the fault is over.
  callers.catch(() => undefined);
  try {
    await use();
  } finally {
    over = true;
  }
  await callers;
  const right = (await Promise.all(asked)).flat();
  expect(right).toEqual(allTrue(right.length));
}

async function statusOf({ gateway }: Deployment): Promise<GatewayStatus> {
  return (await (await fetch(`${gateway.http}/status`)).json()) as GatewayStatus;
}

async function replicaOf(deployment: Deployment, replica: string): Promise<ReplicaStatus> {
  const { replicas } = await statusOf(deployment);
  return replicas.find(({ name }) => name === replica) as ReplicaStatus;
}

/** Waits for a look at the replica of which something holds. */
function seen(
  deployment: Deployment,
  replica: string,
  holds: (status: ReplicaStatus) => boolean,
): Promise<boolean> {
  return eventually(async () => holds(await replicaOf(deployment, replica)));
}

const busyWith = (deployment: Deployment, replica: string): Promise<boolean> =>
  seen(deployment, replica, ({ inFlight }) => inFlight > 0);

/** Any replica has a batch. */
const isBusy = (deployment: Deployment): Promise<boolean> =>
  eventually(async () =>
    (await statusOf(deployment)).replicas.some(({ inFlight }) => inFlight > 0),
  );

const allTrue = (count: number): boolean[] => new Array<boolean>(count).fill(true);

describe("a worker", () => {
  const missing = NetworkCells.missing();
  const cells = missing === null ? new NetworkCells(4) : null;
  const directory = mkdtempSync(join(tmpdir(), "tandem-faults-"));
  let own: Running;

  beforeAll(async () => {
    own = await start({
      holdMs: 30,
      ...(cells === null ? {} : await isolated(cells, directory)),
    });
  });

  afterAll(async () => {
    await own.stop();
    cells?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** `fault` comes in the middle of a batch, under load: it is noticed, and costs no answer. */
  async function strike(replica: string, fault: () => void | Promise<void>): Promise<void> {
    const { deployment, client } = own;
    const { losses } = await replicaOf(deployment, replica);
    await underLoad(client, replica, async () => {
      expect(await busyWith(deployment, replica)).toBe(true);
      await fault();
      expect(await seen(deployment, replica, (now) => now.losses > losses)).toBe(true);
    });
  }

  /** Whatever happened to it, it gets work again, and does it. */
  async function servesAgain(replica: string): Promise<void> {
    const { deployment, client } = own;
    expect(await seen(deployment, replica, ({ state }) => state === "up")).toBe(true);
    const { jobs } = await replicaOf(deployment, replica);
    await underLoad(client, `${replica} again`, async () => {
      expect(await seen(deployment, replica, (now) => now.jobs > jobs)).toBe(true);
    });
  }

  it("that is killed in the middle of a batch costs no answer, and is started again", async () => {
    const [{ replica, pid }] = own.deployment.workers;
    await strike(replica, () => kill(pid));
    const isAnother = () => own.deployment.workers[0].pid !== pid;
    expect(await eventually(isAnother)).toBe(true);
    await servesAgain(replica);
  });

  it("that stands still is noticed by its silence; its work is done elsewhere", async () => {
    const { deployment } = own;
    const [, { replica, pid }] = deployment.workers;
    const { length: crashes } = deployment.crashes;
    try {
      await strike(replica, () => void process.kill(pid, "SIGSTOP"));
      // It is not let go on before all is answered.
      expect(await replicaOf(deployment, replica)).toMatchObject({ state: "down" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await servesAgain(replica);
    expect(deployment.crashes.length).toBe(crashes);
    expect(deployment.workers[1].pid).toBe(pid);
  });

  it("that gets no more memory costs no answer", async () => {
    const { deployment } = own;
    const [, , { replica, pid }] = deployment.workers;
    const { length: crashes } = deployment.crashes;
    await strike(replica, () => exhaustMemory(pid));
    expect(await eventually(() => deployment.crashes.length > crashes)).toBe(true);
    expect(deployment.crashes.at(-1)?.name).toBe("worker 3");
    await servesAgain(replica);
  });

  it.skipIf(!needs(`the network of its own that a worker needs (${missing})`, missing === null))(
    "whose network is cut costs no answer",
    async () => {
      const { deployment } = own;
      const [, , , { replica, pid }] = deployment.workers;
      await strike(replica, () => cells?.cut(3));
      // The network is not mended before all is answered.
      expect(await replicaOf(deployment, replica)).toMatchObject({ state: "down" });
      expect(isRunning(pid)).toBe(true);
      cells?.heal(3);
      await servesAgain(replica);
      expect(deployment.workers[3].pid).toBe(pid);
    },
  );

  it("that is late is set aside until it has answered, and its late answer is nobody's", async () => {
    const bounds = { batchTimeoutMs: 100, batchTimeoutFactor: 1 };
    await running({ holdMs: 10, bounds }, async ({ deployment, client }) => {
      const [{ replica, pid }] = deployment.workers;
      await underLoad(client, "late", async () => {
        expect(await busyWith(deployment, replica)).toBe(true);
        process.kill(pid, "SIGSTOP");
        expect(await seen(deployment, replica, ({ state }) => state === "down")).toBe(true);
        // Shorter than silence takes: its stream is still good.
        process.kill(pid, "SIGCONT");
        expect(await seen(deployment, replica, ({ state }) => state === "up")).toBe(true);
      });
      expect(deployment.crashes).toEqual([]);
    });
  });

  it("that fails again and again ends its requests with an error, not never", async () => {
    // Longer than the test: the batch is still running when its workers are killed.
    const holdMs = 60_000;
    await running({ holdMs, bounds: { retryTokens: 0 } }, async ({ deployment, client }) => {
      const ended = ask(client, "x").catch((error: unknown) => error);
      expect(await isBusy(deployment)).toBe(true);
      for (const { pid } of deployment.workers) kill(pid);
      expect(await ended).toMatchObject({ code: "unavailable" });
    });
  });
});

describe("the gateway", () => {
  let own: Running;

  beforeAll(async () => {
    own = await start({ holdMs: 30 });
  });

  afterAll(() => own.stop());

  it("that is killed is started again on its ports; clients with keys lose nothing", async () => {
    const { deployment } = own;
    const { grpc, pid } = deployment.gateway;
    const times = { attemptMs: 5000, giveUpMs: 60_000 };
    const client = new PersistentClient(new InferenceClient(grpc), PIPELINE, times);
    const call = async (i: number) => {
      const payload = Buffer.from(`restart ${i}`);
      const { text } = await client.call(`key ${i}`, payload);
      return text !== null && isAnswerTo(payload, text);
    };
    const before = await Promise.all(Array.from({ length: 20 }, (_, i) => call(i)));
    const during = Promise.all(Array.from({ length: 60 }, (_, i) => call(100 + i)));
    expect(await isBusy(deployment)).toBe(true);
    kill(pid);
    expect(before).toEqual(allTrue(20));
    expect(await during).toEqual(allTrue(60));
    expect(await eventually(() => deployment.gateway.pid !== pid)).toBe(true);
    expect(deployment.gateway).toMatchObject({ grpc });
    expect(client.surplus).toBe(0);
    client.close();
  });

  it("gives an answered key the same answer again, and computes it again after it was killed", async () => {
    const { deployment, client } = own;
    const first = await ask(client, "same", "a key");
    expect(isAnswerTo(Buffer.from("same"), first)).toBe(true);
    expect(await ask(client, "same", "a key")).toBe(first);
    const { pid } = deployment.gateway;
    kill(pid);
    expect(await eventually(() => deployment.gateway.pid !== pid)).toBe(true);
    const again = await ask(client, "same", "a key");
    expect(isAnswerTo(Buffer.from("same"), again)).toBe(true);
    expect(again).not.toBe(first);
    expect(await ask(client, "same", "a key")).toBe(again);
  });

  it("runs a key's request once, however many ask at the same time", async () => {
    const { deployment, client } = own;
    const jobs = async () =>
      (await statusOf(deployment)).replicas.reduce((sum, replica) => sum + replica.jobs, 0);
    const before = await jobs();
    const asked = Array.from({ length: 12 }, () => ask(client, "together", "k"));
    expect(new Set(await Promise.all(asked)).size).toBe(1);
    expect(await jobs()).toBe(before + 2);
    await expect(ask(client, "another", "k")).rejects.toMatchObject({ code: "invalid-input" });
  });
});

describe("with a replica of each task,", () => {
  let own: Running;

  beforeAll(async () => {
    own = await start({ holdMs: 500, replicas: 1, restart: false });
  });

  afterAll(() => own.stop());

  it("work that nobody waits for is not started: its deadline has passed, or its client has gone", async () => {
    const { deployment, client } = own;
    const holds = (count: number): Promise<boolean> =>
      eventually(async () => (await statusOf(deployment)).pipelines[0].inFlight === count);
    let kept: Promise<string> | undefined;
    await withWorkersStopped(deployment, async () => {
      kept = ask(client, "kept");
      expect(await isBusy(deployment)).toBe(true);
      const late = client.inferAsync(request("late"), { deadline: Date.now() + 100 });
      await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
      expect(await holds(1)).toBe(true);
      const call = client.infer(request("gone"), {}, () => undefined);
      expect(await holds(2)).toBe(true);
      call.cancel();
      const parameters = { deadline_ms: { int64Param: 50 } };
      const asked = client.inferAsync({ ...request("parameter"), parameters }, {});
      await expect(asked).rejects.toMatchObject({ code: "deadline-exceeded" });
      expect(await holds(1)).toBe(true);
    });
    expect(isAnswerTo(Buffer.from("kept"), (await kept) ?? "")).toBe(true);
    const { replicas, pipelines } = await statusOf(deployment);
    expect(replicas.map(({ jobs }) => jobs)).toEqual([1, 1]);
    expect(pipelines[0]).toMatchObject({ inFlight: 0, completed: 1 });
  });

  it("nor is it by a worker, where it waits for its turn", async () => {
    const [worker] = own.deployment.workers;
    const client = new InferenceClient(worker.address);
    const { tensor, raw } = bytesTensor("payload", [Buffer.from("x")]);
    const batch = { modelName: worker.replica, inputs: [tensor], rawInputContents: [raw] };
    const answers = new Map<string, number>();
    const stream = client.inferStream();
    stream.on("data", ({ errorMessage, inferResponse }) => {
      const code = inferResponse?.parameters?.grpc_status?.int64Param ?? status.UNKNOWN;
      answers.set(inferResponse?.id ?? "", errorMessage ? code : status.OK);
    });
    stream.on("error", () => undefined);
    stream.write({ ...batch, id: "first" });
    stream.write({ ...batch, id: "late", parameters: { deadline_ms: { int64Param: 50 } } });
    stream.write({ ...batch, id: "unwanted" });
    stream.write({
      modelName: worker.replica,
      id: "unwanted",
      parameters: { cancel: { boolParam: true } },
      inputs: [],
    });
    expect(await eventually(() => answers.size === 3)).toBe(true);
    expect(answers.get("first")).toBe(status.OK);
    expect(answers.get("late")).toBe(status.DEADLINE_EXCEEDED);
    expect(answers.get("unwanted")).toBe(status.CANCELLED);
    stream.cancel();
    client.close();
  });

  it("a gateway that is told to end answers what it has, and says to the others when to come", async () => {
    const { deployment, client } = own;
    const asked = await withWorkersStopped(deployment, async () => {
      const both = [ask(client, "a"), ask(client, "b")];
      expect(await isBusy(deployment)).toBe(true);
      terminate(deployment.gateway.pid);
      const refused: unknown[] = [];
      // Those that come before it has heard are taken.
      const isRefusing = eventually(() => {
        ask(client, "late").catch((error: unknown) => refused.push(error));
        return refused.length > 0;
      });
      expect(await isRefusing).toBe(true);
      expect(refused[0]).toMatchObject({ code: "unavailable", retryAfterMs: 1000 });
      return both;
    });
    const texts = await Promise.all(asked);
    expect(isAnswerTo(Buffer.from("a"), texts[0])).toBe(true);
    expect(isAnswerTo(Buffer.from("b"), texts[1])).toBe(true);
    expect(await deployment.gatewayLost).toMatchObject({ code: 0, signal: null });
  });

  it("tells those that it has no time to answer that they may come back", async () => {
    await running(
      { holdMs: 0, replicas: 1, restart: false, bounds: { drainMs: 300 } },
      async (other) => {
        const { gateway, gatewayLost } = other.deployment;
        await withWorkersStopped(other.deployment, async () => {
          const called = ask(other.client, "a").catch((error: unknown) => error);
          const headers = { "content-type": "application/octet-stream" };
          const url = `${gateway.http}/v2/models/${PIPELINE}/infer`;
          const posted = fetch(url, { method: "POST", headers, body: "b" });
          const taken = async () =>
            ((await (await fetch(`${gateway.http}/run`)).json()) as { inSystem: number }).inSystem;
          expect(await eventually(async () => (await taken()) === 2)).toBe(true);
          terminate(gateway.pid);
          expect(await called).toMatchObject({ code: "unavailable", retryAfterMs: 1000 });
          const response = await posted;
          expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
          expect(await gatewayLost).toMatchObject({ code: 0, signal: null });
        });
      },
    );
  });
});
