/** An engine of a language model on a worker, in virtual time. */
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Calendar, CalendarClock } from "../../checks/dst/calendar.ts";
import { coefficientTimes, type StepTimes } from "../../engine/tokens/step-times.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import {
  type ModelInferResponse,
  orderParameters,
  type TokenOrder,
  tokenOrderOf,
  writtenPartOf,
} from "../protocol/messages.ts";
import type { InferAnswer } from "../protocol/server.ts";
import type { Backend, BatchResult } from "./backend.ts";
import { DeviceSlot } from "./device-slot.ts";
import { EngineHost } from "./engine-host.ts";
import { HostedReplica } from "./hosted-replica.ts";
import { replayedSteps } from "./replayed-steps.ts";

/** Prefill 10 ms + 0.1 ms a token; decode 5 ms + 1 ms a sequence. */
const TIMES = coefficientTimes(
  { prefill: [10, 0.1, 0], decode: [5, 0, 1], many: 1000, decodeMany: [0, 0, 0] },
  { stepMs: 0, sequenceMs: 0 },
);
const ORDER = { priority: 0, client: 0, beginning: 0 };
const LIMITS = {
  maxSequences: 2,
  maxBatchedTokens: 400,
  blocks: 20,
  blockTokens: 16,
  prefixCaching: false,
};

function engineOf(calendar = new Calendar()) {
  const steps = replayedSteps(TIMES, 1, calendar);
  const engine = new EngineHost({ policy: "vllm", limits: LIMITS }, steps, calendar);
  return { calendar, engine };
}

/** Runs a job on a place; gathers the instants of its tokens, ms, and its result. */
function write(
  calendar: Calendar,
  place: Backend,
  prompt: number,
  output: number,
  more: Partial<TokenOrder> = {},
) {
  const toldMs: number[] = [];
  const tokens = { prompt, output, ...ORDER, ...more };
  const batch = { jobs: [], variate: null, warmUp: false, tokens };
  const told = (): void => void toldMs.push(calendar.nowUs() / 1000);
  const found: { result?: BatchResult; error?: Error } = {};
  place.run(batch, told).then(
    (result) => {
      found.result = result;
    },
    (error: Error) => {
      found.error = error;
    },
  );
  return { toldMs, found };
}

async function all(calendar: Calendar): Promise<void> {
  while (calendar.step()) await null;
}

test("tokens go out as iterations end, the last with the answer", async () => {
  const { calendar, engine } = engineOf();
  const { toldMs, found } = write(calendar, engine.place(), 100, 5);
  await all(calendar);
  expect(toldMs).toEqual([20, 26, 32, 38]);
  expect(found.result?.serviceUs).toBe(44_000);
  const { last, use } = found.result?.written ?? {};
  expect(last).toEqual({ tokens: 1, text: "" });
  expect(use).toMatchObject({ preemptions: 0, busyUs: 44_000 });
});

test("a real engine tells how long its iterations took beside what their profile says of them", async () => {
  const calendar = new Calendar();
  const steps = replayedSteps(TIMES, 1, calendar);
  const profile: StepTimes = (load) => TIMES(load) / 2;
  const terms = { policy: "vllm", limits: LIMITS };
  const engine = new EngineHost(terms, steps, calendar, { profile });
  const { found } = write(calendar, engine.place(), 100, 5);
  await all(calendar);
  expect(found.result?.written?.use).toMatchObject({ ranUs: 44_000, profiledUs: 22_000 });
  expect(engine.isIdle).toBe(true);
});

test("a job that is stopped frees its blocks with the iteration, for one that waited", async () => {
  const { calendar, engine } = engineOf();
  const [first, second] = [engine.place(), engine.place()];
  const stopped = write(calendar, first, 100, 200);
  // 16 blocks, where 13 are free.
  const waiting = write(calendar, second, 250, 2);
  calendar.set(30_000, () => first.stop?.());
  await all(calendar);
  expect(stopped.found.error?.message).toBe("stopped after 2 tokens");
  expect(stopped.toldMs).toEqual([20, 26]);
  expect(waiting.toldMs).toEqual([32 + 35]);
  expect(waiting.found.result).toBeDefined();
});

test("a job beyond the engine's blocks is refused, and others go on", async () => {
  const { calendar, engine } = engineOf();
  expect(() => write(calendar, engine.place(), 300, 21)).toThrow(
    "a prompt of 300 tokens and 21 more are more than 20 blocks of 16 tokens",
  );
  const { found } = write(calendar, engine.place(), 300, 20);
  await all(calendar);
  expect(found.result).toBeDefined();
});

test("blocks of a sequence that goes on elsewhere are kept until they are freed", async () => {
  const { calendar, engine } = engineOf();
  const { engine: next } = engineOf(calendar);
  const [place, other] = [engine.place(), engine.place()];
  const one = write(calendar, place, 250, 5, { goesOn: true });
  // 16 blocks of 20.
  const two = write(calendar, other, 250, 5, { goesOn: true });
  await all(calendar);
  const { last, kept = null } = one.found.result?.written ?? {};
  expect([last?.tokens, kept, one.toldMs, two.found.result]).toEqual([1, 1, [], undefined]);
  const rest = write(calendar, next.place(), 250, 5, { continues: true });
  place.free?.(kept);
  await all(calendar);
  // Room, then four tokens, the last with the answer.
  expect(rest.toldMs).toEqual([35, 41, 47, 53]);
  expect([calendar.nowUs(), two.found.result?.written?.kept]).toEqual([70_000, 2]);
  // Freed with its own place alone.
  place.free?.(null);
  expect([engine.isIdle, next.isIdle]).toEqual([false, true]);
  other.free?.(null);
  expect(engine.isIdle).toBe(true);
});

test("a caller that leaves while its sequence goes on elsewhere takes no block of others", async () => {
  const { calendar, engine } = engineOf();
  const place = engine.place();
  const stopped = write(calendar, place, 250, 5, { continues: true });
  calendar.set(8000, () => place.stop?.());
  await all(calendar);
  expect(stopped.found.error?.message).toBe("stopped after 2 tokens");
  expect(engine.isIdle).toBe(true);
  const whole = write(calendar, engine.place(), 100, 1, { continues: true });
  await all(calendar);
  expect(whole.found.result?.written?.last.tokens).toBe(0);
});

test("unmeasured jobs take 2 ms an iteration at most", async () => {
  const { calendar, engine } = engineOf();
  const tokens = { prompt: 300, output: 20, ...ORDER };
  const batch = { jobs: [], variate: null, warmUp: true, tokens };
  const done = engine.place().run(batch, () => undefined);
  await all(calendar);
  expect((await done).serviceUs).toBe(4000);
});

test("a hosted place sends its tokens on, and answers a cancelled batch at once", async () => {
  const { calendar, engine } = engineOf();
  const replica = new HostedReplica({
    name: "write-1/1",
    task: "write",
    tracing: null,
    platform: "test",
    slot: new DeviceSlot(new CalendarClock(calendar)),
    open: async () => engine.place(),
    onState: () => undefined,
  });
  await replica.load();
  const parameters = orderParameters({ ...ORDER, prompt: 100, output: 50, priority: 3 });
  const request = { modelName: "write-1/1", parameters, ...payloadRequest(Buffer.from("")) };
  expect(tokenOrderOf(request)).toEqual({ ...ORDER, prompt: 100, output: 50, priority: 3 });
  const parts: ModelInferResponse[] = [];
  let cancel = (_preempted: boolean): void => undefined;
  const answered = new Promise<Parameters<InferAnswer>>((resolve) => {
    const call = {
      request,
      deadlineMs: undefined,
      onCancelled: (listener: (preempted: boolean) => void) => {
        cancel = listener;
      },
      partly: (part: ModelInferResponse) => void parts.push(part),
    };
    replica.infer(call, (...answer) => resolve(answer));
  });
  await null;
  calendar.set(27_000, () => cancel(false));
  await all(calendar);
  const [error] = await answered;
  expect(error?.code).toBe(status.CANCELLED);
  expect(parts.map(writtenPartOf)).toEqual([
    { tokens: 1, text: "" },
    { tokens: 1, text: "" },
  ]);
  expect(calendar.nowUs()).toBe(32_000);
});
