import { status } from "@grpc/grpc-js";
import { afterAll, expect, test } from "vitest";
import { payloadRequest } from "../load/tensor-inputs.ts";
import {
  type ModelState,
  modelConfig,
  modelIndex,
  modelStatistics,
} from "../protocol/hosted-models.ts";
import { controlMessage, type ModelInferRequest, startParameters } from "../protocol/messages.ts";
import type { InferAnswer, InferCall } from "../protocol/server.ts";
import { machineClock, monotonicUs, PreciseTimer } from "../time/clock.ts";
import type { Backend } from "./backend.ts";
import { DeviceSlot } from "./device-slot.ts";
import { HostedReplica } from "./hosted-replica.ts";

const timer = new PreciseTimer();
afterAll(() => timer.close());

const text = Buffer.from('{"labels":[],"value":1}');

/** Answers a batch when `release` is called. */
function gatedBackend(): { backend: Backend; release: () => void; closed: () => boolean } {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let closed = false;
  const backend: Backend = {
    inputs: null,
    outputs: null,
    provenance: null,
    cost: { loadMs: 12.34, memoryBytes: 5_000_000 },
    run: async ({ jobs }) => {
      await gate;
      return { outputs: jobs.map(() => ({ text, tensors: [] })), serviceUs: 7 };
    },
    close: async () => {
      closed = true;
    },
  };
  return { backend, release, closed: () => closed };
}

function hosted(open: (changed: (state: ModelState) => void) => Promise<Backend>) {
  const states: string[] = [];
  const replica = new HostedReplica({
    name: "detect-1",
    task: "detect",
    tracing: null,
    platform: "test",
    slot: new DeviceSlot(machineClock(timer)),
    open,
    onState: ({ state, reason }) => states.push(reason === "" ? state : `${state}: ${reason}`),
  });
  return { replica, states, models: new Map([["detect-1", replica]]) };
}

function infer(
  replica: HostedReplica,
  more: Partial<ModelInferRequest> = {},
  onCancelled: InferCall["onCancelled"] = () => undefined,
): Promise<Parameters<InferAnswer>> {
  const request = { modelName: "detect-1", ...payloadRequest(Buffer.from("x")), ...more };
  const call: InferCall = { request, deadlineMs: undefined, onCancelled };
  return new Promise((resolve) => replica.infer(call, (...given) => resolve(given)));
}

test("a model shows its state while it loads, serves, drains and unloads", async () => {
  const { backend, release, closed } = gatedBackend();
  const { replica, states, models } = hosted(async () => backend);
  expect(modelIndex(models, false)).toMatchObject([{ state: "UNAVAILABLE" }]);
  const [early] = await infer(replica);
  expect(early).toMatchObject({ code: status.UNAVAILABLE, details: /UNAVAILABLE: not loaded yet/ });
  await replica.load();
  expect(modelIndex(models, true)).toMatchObject([{ state: "READY", reason: "" }]);
  const { load_ms: loadMs, ...process } = modelConfig(replica).parameters;
  expect(loadMs).toEqual({ string_value: "12.3" });
  expect(Number(process.process_cpu_seconds_total.string_value)).toBeGreaterThan(0);
  const [{ memory_usage: memory }] = modelStatistics(models, {});
  expect(memory).toEqual([{ type: "CPU", id: 0, byte_size: 5_000_000 }]);
  const running = infer(replica);
  const unloaded = replica.unload();
  const [late] = await infer(replica);
  expect(late).toMatchObject({ code: status.UNAVAILABLE, details: /UNLOADING/ });
  expect(closed()).toBe(false);
  release();
  const [error, response] = await running;
  expect([error, response?.parameters?.service_us]).toEqual([null, { doubleParam: 7 }]);
  await unloaded;
  expect(closed()).toBe(true);
  expect(states).toEqual(["LOADING", "READY", "UNLOADING", "UNAVAILABLE: unloaded"]);
});

test("the state's reason is the error of a failed load, or of a backend that lost its model", async () => {
  const failing = hosted(() => Promise.reject(new Error("no weights")));
  await expect(failing.replica.load()).rejects.toThrow("no weights");
  expect(failing.states).toEqual(["LOADING", "UNAVAILABLE: no weights"]);
  const { backend, release } = gatedBackend();
  release();
  let tell = (_: ModelState): void => undefined;
  const losing = hosted(async (changed) => {
    tell = changed;
    return backend;
  });
  await losing.replica.load();
  tell({ state: "UNAVAILABLE", reason: "the server is gone" });
  const [error] = await infer(losing.replica);
  expect(error).toMatchObject({ details: "detect-1 is UNAVAILABLE: the server is gone" });
  tell({ state: "READY", reason: "" });
  expect((await infer(losing.replica))[0]).toBeNull();
});

test("a batch waits for its window and for its device, and misses its start after that", async () => {
  const { backend, release } = gatedBackend();
  const { replica } = hosted(async () => backend);
  await replica.load();
  const within = (earliestUs: number, latestUs: number): Partial<ModelInferRequest> => ({
    parameters: startParameters({ earliestUs, latestUs }),
  });
  const sentUs = monotonicUs();
  const first = infer(replica, within(30_000, 60_000_000));
  const second = infer(replica, within(0, 1000));
  release();
  expect((await first)[0]).toBeNull();
  expect(monotonicUs() - sentUs).toBeGreaterThanOrEqual(30_000);
  expect((await second)[0]).toMatchObject({ code: status.ABORTED, details: /start window/ });
  // The batch that missed its start does not keep the device.
  expect((await infer(replica, within(0, 60_000_000)))[0]).toBeNull();
});

test("a pre-empted batch is stopped where its backend can, and others run on", async () => {
  const { backend, release } = gatedBackend();
  let stopped: (error: Error) => void = () => undefined;
  const stoppable: Backend = {
    ...backend,
    run: (batch) =>
      Promise.race([
        backend.run(batch, () => undefined),
        new Promise<never>((_, reject) => (stopped = reject)),
      ]),
    stop: () => stopped(new Error("stopped")),
  };
  const { replica } = hosted(async () => stoppable);
  await replica.load();
  let cancel = (_preempted: boolean): void => undefined;
  const running = infer(replica, {}, (listener) => {
    cancel = listener;
  });
  cancel(false);
  cancel(true);
  expect((await running)[0]).toMatchObject({ code: status.CANCELLED });
  release();
  expect((await infer(replica))[0]).toBeNull();
});

test("a model leaves its device and comes back by command, while its replica stays up", async () => {
  const { backend, release, closed } = gatedBackend();
  release();
  let opened = 0;
  const { replica, states } = hosted(async () => {
    opened++;
    return backend;
  });
  await replica.load();
  const command = (kind: "load" | "evict") => infer(replica, controlMessage(kind, "detect-1", "1"));
  expect((await command("load"))[0]).toBeNull();
  expect(opened, "a load of a model that is there").toBe(1);
  expect((await command("evict"))[0]).toBeNull();
  expect(closed()).toBe(true);
  expect((await infer(replica))[0]).toMatchObject({ details: /taken off its device/ });
  expect((await command("load"))[0]).toBeNull();
  expect(opened).toBe(2);
  expect((await infer(replica))[0]).toBeNull();
  expect(states).toEqual(["LOADING", "READY"]);
});

test("a model that leaves its device finishes its batches first, and takes no more", async () => {
  const { backend, release, closed } = gatedBackend();
  const { replica } = hosted(async () => backend);
  await replica.load();
  const running = infer(replica);
  const evicted = infer(replica, controlMessage("evict", "detect-1", "1"));
  const late = infer(replica);
  release();
  expect((await running)[0]).toBeNull();
  expect((await late)[0]).toMatchObject({ details: /taken off its device/ });
  expect((await evicted)[0]).toBeNull();
  expect(closed()).toBe(true);
});
