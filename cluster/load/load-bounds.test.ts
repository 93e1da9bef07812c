/** The generator alone, against a target that holds its answers back. */
import { afterEach, expect, test } from "vitest";
import { eventually, faultOf } from "../deployment.test-support.ts";
import { NO_ACCESS } from "../security/client-access.ts";
import { monotonicUs, PreciseTimer } from "../time/clock.ts";
import { parsed, withEndpoint } from "./http-endpoint.test-support.ts";
import { httpTarget } from "./http-target.ts";
import { LoadGenerator, warmUp } from "./load-generator.ts";
import {
  LOAD_BOUNDS,
  type LoadAnswer,
  type LoadBounds,
  type LoadSpecification,
  type LoadTarget,
} from "./specification.ts";

const OK: LoadAnswer = { outcome: "completed", status: "OK", error: null, residenceUs: 0 };

class Held implements LoadTarget {
  readonly held: (() => void)[] = [];
  sent = 0;

  async connect(): Promise<void> {}

  send(_call: unknown, answer: (answer: LoadAnswer) => void): () => void {
    this.sent++;
    this.held.push(() => answer(OK));
    return () => undefined;
  }

  answerAll(): void {
    for (const answer of this.held.splice(0)) answer();
  }

  async close(): Promise<void> {}
}

let ticker: NodeJS.Timeout | undefined;
afterEach(() => clearInterval(ticker));

function run(target: LoadTarget, workload: object, bounds: Partial<LoadBounds> = {}) {
  const specification = {
    target: { kind: "http", endpoints: [], method: "GET", connections: 1 },
    pipelines: [{ name: "p", share: 1 }],
    workload: parsed(workload),
    traceUs: null,
    seed: "1/0",
    timeScale: 1,
    numbered: false,
    warmUp: false,
  } as const;
  const access = NO_ACCESS;
  const generator = new LoadGenerator(
    { ...specification, target: { ...specification.target, access } },
    target,
    new PreciseTimer(),
    { ...LOAD_BOUNDS, ...bounds },
  );
  return generator.run(monotonicUs());
}

test("a run fails with a hint when more requests wait than its bound", async () => {
  const target = new Held();
  const fault = await faultOf(run(target, { arrivals: "burst", requests: 50 }, { waiting: 20 }));
  expect(fault).toMatchObject({ code: "limit-exceeded", hint: expect.stringMatching(/rate/) });
  expect(fault.message).toBe("20 requests wait for their answers");
  expect(target.sent).toBe(20);
});

test("a run fails when it reaches its bound of requests", async () => {
  const target = new Held();
  ticker = setInterval(() => target.answerAll(), 1);
  const workload = { arrivals: "closed", clients: 5, durationS: 1000 };
  const fault = await faultOf(run(target, workload, { requests: 30 }));
  expect(fault).toMatchObject({ code: "limit-exceeded" });
  expect(fault.message).toBe("a run has at most 30 requests");
  expect(target.sent).toBe(30);
});

test("a run within its bounds ends normally", async () => {
  const target = new Held();
  ticker = setInterval(() => target.answerAll(), 1);
  const bounds = { waiting: 50, requests: 50 };
  const { requests } = await run(target, { arrivals: "burst", requests: 50 }, bounds);
  expect(requests).toBe(50);
});

test("a generator that is behind handles answers before it has sent all due requests", async () => {
  const target = new Held();
  const running = run(target, { arrivals: "burst", requests: 5000 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(target.sent).toBeLessThan(5000);
  ticker = setInterval(() => target.answerAll(), 1);
  expect((await running).requests).toBe(5000);
});

test("the warm-up gives a target up that does not answer, and closes its connections", async () => {
  let [come, gone] = [0, 0];
  await withEndpoint(
    (_request, response) => {
      come++;
      response.on("close", () => gone++);
    },
    async (url) => {
      const endpoints = [{ url, headers: {}, bodies: [] }];
      const target = httpTarget({
        ...({ kind: "http", endpoints, method: "GET" } as const),
        connections: 4,
        access: NO_ACCESS,
      });
      const pipelines = [{ name: "endpoint", share: 1 }];
      const ended = warmUp(target, { pipelines } as unknown as LoadSpecification, 300);
      await expect(ended).rejects.toThrow("has not answered a request of the warm-up within 0.3 s");
      await target.close();
      expect(come).toBeGreaterThan(0);
      await eventually(() => gone === come);
    },
  );
});
