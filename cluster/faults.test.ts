import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
/**
 * What happens to a deployment's processes, on real ones. Answers are told apart by their content:
 * each is a hash of what was sent. No latency is asserted, only that everything is answered, rightly
 * and once, while the fault lasts.
 */
import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { eventually, isRunning, NO_INPUTS } from "./deployment.test-support.ts";
import { type Deployment, type DeploymentOptions, startDeployment } from "./deployment.ts";
import type { GatewayStatus } from "./observe/status.ts";
import { bytesTensor, elementsOf } from "./protocol/bytes-tensor.ts";
import { InferenceClient } from "./protocol/client.ts";
import type { ModelInferRequest } from "./protocol/messages.ts";
import { exhaustMemory, kill, terminate } from "./soak/faults.ts";
import { fingerprintScenario, isAnswerTo, PIPELINE } from "./soak/fingerprint-scenario.ts";
import { NetworkCells } from "./soak/network-cells.ts";
import { PersistentClient } from "./soak/persistent-client.ts";
import { isolated, soak } from "./soak/soak.ts";

interface Running {
  readonly deployment: Deployment;
  readonly client: InferenceClient;
}

/** Two replicas of each task, a process each. */
async function running(
  holdMs: number,
  use: (running: Running) => Promise<void>,
  options: Partial<DeploymentOptions> = {},
): Promise<void> {
  const document = fingerprintScenario({ replicas: [2, 2], holdMs });
  const deployed = { document, inputs: NO_INPUTS, seed: "t", replicasPerWorker: 1, ...options };
  const deployment = await startDeployment({ backend: "onnx", ...deployed });
  const client = new InferenceClient(deployment.gateway.grpc);
  try {
    await use({ deployment, client });
  } finally {
    client.close();
    await deployment.stop();
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

async function statusOf({ gateway }: Deployment): Promise<GatewayStatus> {
  return (await (await fetch(`${gateway.http}/status`)).json()) as GatewayStatus;
}

async function stateOf(deployment: Deployment, replica: string): Promise<string | undefined> {
  const { replicas } = await statusOf(deployment);
  return replicas.find(({ name }) => name === replica)?.state;
}

const busyWith = (deployment: Deployment, replica: string): Promise<boolean> =>
  eventually(async () => {
    const { replicas } = await statusOf(deployment);
    return (replicas.find(({ name }) => name === replica)?.inFlight ?? 0) > 0;
  });

const allTrue = (count: number): boolean[] => new Array<boolean>(count).fill(true);

describe("a worker", () => {
  it("that is killed in the middle of a batch costs no answer, and is started again", async () => {
    await running(40, async ({ deployment, client }) => {
      const [worker] = deployment.workers;
      const answers = askMany(client, 30, "kill");
      expect(await busyWith(deployment, worker.replica)).toBe(true);
      kill(worker.pid);
      expect(await answers).toEqual(allTrue(30));
      expect(await eventually(() => deployment.workers[0].pid !== worker.pid)).toBe(true);
      expect(await eventually(async () => (await stateOf(deployment, worker.replica)) === "up"));
      expect(await askMany(client, 10, "after")).toEqual(allTrue(10));
    });
  });

  it("that stands still is noticed by its silence; its work is done elsewhere", async () => {
    await running(30, async ({ deployment, client }) => {
      const [worker] = deployment.workers;
      const answers = askMany(client, 30, "stop");
      expect(await busyWith(deployment, worker.replica)).toBe(true);
      process.kill(worker.pid, "SIGSTOP");
      try {
        // It is not let go on before all is answered.
        expect(await answers).toEqual(allTrue(30));
        expect(await stateOf(deployment, worker.replica)).toBe("down");
        expect(deployment.crashes).toEqual([]);
      } finally {
        process.kill(worker.pid, "SIGCONT");
      }
      const back = async () => (await stateOf(deployment, worker.replica)) === "up";
      expect(await eventually(back)).toBe(true);
      expect(await askMany(client, 20, "after")).toEqual(allTrue(20));
    });
  });

  it("that is late is set aside until it has answered, and its late answer is nobody's", async () => {
    const bounds = { batchTimeoutMs: 100, batchTimeoutFactor: 1 };
    await running(
      10,
      async ({ deployment, client }) => {
        const [worker] = deployment.workers;
        const answers = askMany(client, 20, "late");
        expect(await busyWith(deployment, worker.replica)).toBe(true);
        process.kill(worker.pid, "SIGSTOP");
        const gone = async () => (await stateOf(deployment, worker.replica)) === "down";
        expect(await eventually(gone)).toBe(true);
        // Shorter than silence takes: its stream is still good.
        process.kill(worker.pid, "SIGCONT");
        const back = async () => (await stateOf(deployment, worker.replica)) === "up";
        expect(await eventually(back)).toBe(true);
        const later = askMany(client, 20, "later");
        expect(await answers).toEqual(allTrue(20));
        expect(await later).toEqual(allTrue(20));
        expect(deployment.crashes).toEqual([]);
      },
      { bounds },
    );
  });

  it("that gets no more memory costs no answer", async () => {
    await running(30, async ({ deployment, client }) => {
      const [worker] = deployment.workers;
      const answers = askMany(client, 30, "memory");
      expect(await busyWith(deployment, worker.replica)).toBe(true);
      await exhaustMemory(worker.pid);
      expect(await answers).toEqual(allTrue(30));
      expect((await deployment.crashed).name).toBe("worker 1");
    });
  });

  const missing = NetworkCells.missing();
  it.skipIf(missing !== null)(
    `whose network is cut costs no answer${missing === null ? "" : ` (skipped: ${missing})`}`,
    async () => {
      const cells = new NetworkCells(4);
      const directory = mkdtempSync(join(tmpdir(), "tandem-cells-"));
      try {
        await running(
          30,
          async ({ deployment, client }) => {
            const [worker] = deployment.workers;
            const answers = askMany(client, 30, "cut");
            expect(await busyWith(deployment, worker.replica)).toBe(true);
            cells.cut(0);
            // The network is not mended before all is answered.
            expect(await answers).toEqual(allTrue(30));
            expect(await stateOf(deployment, worker.replica)).toBe("down");
            expect(isRunning(worker.pid)).toBe(true);
            cells.heal(0);
            const back = async () => (await stateOf(deployment, worker.replica)) === "up";
            expect(await eventually(back)).toBe(true);
            expect(await askMany(client, 20, "after")).toEqual(allTrue(20));
            expect(deployment.workers[0].pid).toBe(worker.pid);
          },
          await isolated(cells, directory),
        );
      } finally {
        cells.close();
        rmSync(directory, { recursive: true, force: true });
      }
    },
  );

  it("that fails again and again ends its requests with an error, not never", async () => {
    await running(
      200,
      async ({ deployment, client }) => {
        const asked = ask(client, "x");
        await busyWith(deployment, "first-1");
        for (const { pid } of deployment.workers) kill(pid);
        await expect(asked).rejects.toMatchObject({ code: "unavailable" });
      },
      { bounds: { retryTokens: 0 } },
    );
  });
});

describe("the gateway", () => {
  it("that is killed is started again on its ports; clients with keys lose nothing", async () => {
    await running(10, async ({ deployment }) => {
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
      await busyWith(deployment, "first-1");
      kill(pid);
      expect(before).toEqual(allTrue(20));
      expect(await during).toEqual(allTrue(60));
      expect(deployment.gateway).toMatchObject({ grpc });
      expect(deployment.gateway.pid).not.toBe(pid);
      expect(client.surplus).toBe(0);
      client.close();
    });
  });

  it("gives an answered key the same answer again, also after it was killed", async () => {
    await running(1, async ({ deployment, client }) => {
      const first = await ask(client, "same", "a key");
      expect(isAnswerTo(Buffer.from("same"), first)).toBe(true);
      expect(await ask(client, "same", "a key")).toBe(first);
      const { pid } = deployment.gateway;
      kill(pid);
      expect(await eventually(() => deployment.gateway.pid !== pid)).toBe(true);
      expect(await ask(client, "same", "a key")).toBe(first);
      // Without a key it runs again, and its times differ.
      expect(await ask(client, "same")).not.toBe(first);
    });
  });

  it("runs a key's request once, however many ask at the same time", async () => {
    await running(50, async ({ deployment, client }) => {
      const asked = Array.from({ length: 12 }, () => ask(client, "together", "k"));
      expect(new Set(await Promise.all(asked)).size).toBe(1);
      const { replicas } = await statusOf(deployment);
      expect(replicas.reduce((sum, { jobs }) => sum + jobs, 0)).toBe(2);
      await expect(ask(client, "another", "k")).rejects.toMatchObject({ code: "invalid-input" });
    });
  });

  it("that is told to end answers what it has, and says to the others when to come", async () => {
    await running(
      300,
      async ({ deployment, client }) => {
        const asked = [ask(client, "a"), ask(client, "b")];
        await busyWith(deployment, "first-1");
        terminate(deployment.gateway.pid);
        const refused = await new Promise<unknown>((resolve) => {
          const tryAgain = (): void => {
            client.inferAsync(request("late"), {}).then(
              () => setTimeout(tryAgain, 5),
              (error: unknown) => resolve(error),
            );
          };
          setTimeout(tryAgain, 50);
        });
        expect(refused).toMatchObject({ code: "unavailable", retryAfterMs: 1000 });
        const texts = await Promise.all(asked);
        expect(isAnswerTo(Buffer.from("a"), texts[0])).toBe(true);
        expect(isAnswerTo(Buffer.from("b"), texts[1])).toBe(true);
        expect(await deployment.gatewayLost).toMatchObject({ code: 0, signal: null });
      },
      { restart: false },
    );
  });
});

describe("work that nobody waits for", () => {
  it("is not started: its deadline has passed, or its client has gone", async () => {
    const document = fingerprintScenario({ replicas: [1, 1], holdMs: 1000 });
    await running(
      1000,
      async ({ deployment, client }) => {
        const kept = ask(client, "kept");
        await busyWith(deployment, "first-1");
        const late = client.inferAsync(request("late"), { deadline: Date.now() + 100 });
        await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
        const call = client.infer(request("gone"), {}, () => undefined);
        const inFlight = async () => (await statusOf(deployment)).pipelines[0].inFlight;
        expect(await eventually(async () => (await inFlight()) === 2)).toBe(true);
        call.cancel();
        const parameters = { deadline_ms: { int64Param: 50 } };
        const asked = client.inferAsync({ ...request("parameter"), parameters }, {});
        await expect(asked).rejects.toMatchObject({ code: "deadline-exceeded" });
        expect(isAnswerTo(Buffer.from("kept"), await kept)).toBe(true);
        const { replicas, pipelines } = await statusOf(deployment);
        expect(replicas.map(({ jobs }) => jobs)).toEqual([1, 1]);
        expect(pipelines[0]).toMatchObject({ inFlight: 0, completed: 1 });
      },
      { document },
    );
  });

  it("is not started by a worker either, where it waits for its turn", async () => {
    const document = fingerprintScenario({ replicas: [1, 1], holdMs: 300 });
    await running(
      300,
      async ({ deployment }) => {
        const [worker] = deployment.workers;
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
      },
      { document },
    );
  });
});

describe("a soak", () => {
  it("of a few faults of every kind loses nothing", async () => {
    const result = await soak({
      seconds: 20,
      ratePerS: 25,
      workers: 8,
      seed: "test",
      kinds: ["kill", "stop", "slow", "memory", "cut", "restart"],
    });
    for (const reason of result.skipped) process.stdout.write(`soak without: ${reason}\n`);
    expect(result.faults.length).toBeGreaterThan(10);
    expect(result.calls).toBe(500);
    expect(result.reasons).toEqual([]);
    expect(result).toMatchObject({ lost: 0, answeredTwice: 0, wrong: 0 });
  }, 240_000);
});
