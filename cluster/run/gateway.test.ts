import { afterEach, expect, test } from "vitest";
import type { Fault } from "../../engine/basics/fault.ts";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { eventually, NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { NO_ACCESS } from "../security/client-access.ts";
import { Gateway } from "./gateway.ts";
import type { Answer, Submission } from "./live-request.ts";
import type { ServiceBounds } from "./specification.ts";
import { SUBMISSION } from "./submission.test-support.ts";

let gateway: Gateway;
afterEach(() => gateway.close());

/** A gateway without replicas: its requests wait. */
function open(bounds: Partial<ServiceBounds> = {}): void {
  gateway = new Gateway(
    {
      id: "test",
      document: noOp(),
      inputs: NO_INPUTS,
      backend: "replay",
      seed: "1",
      timeScale: 1,
      host: "127.0.0.1",
      grpcPort: 0,
      httpPort: 0,
      spareReplicas: 0,
      security: { certificates: null, tokens: null },
      origins: [],
      workerCertificates: null,
      replicas: [],
      bounds,
      controlFile: null,
      trace: null,
      record: null,
    },
    () => NO_ACCESS,
  );
}

/** The code of the refusal, or "taken". */
function outcomeOf(more: Partial<Submission>): string {
  try {
    gateway.submit({ ...SUBMISSION, ...more });
    return "taken";
  } catch (error) {
    return (error as Fault).code;
  }
}

const refused = (): number => gateway.counts.pipelines[0].outcomes[OUTCOMES.indexOf("refused")];

test("a request that several checks refuse gets the fault of the first", async () => {
  open({ maxInSystem: 1, drainMs: 0 });
  expect(outcomeOf({ idempotencyKey: "a" })).toBe("taken");
  const wrong = { priority: 0.5, index: -1 };
  expect(outcomeOf({ ...wrong, deadlineMs: 0 })).toBe("deadline-exceeded");
  expect(outcomeOf({ ...wrong, idempotencyKey: "" })).toBe("invalid-input");
  expect(outcomeOf({ ...wrong, deadlineMs: 1000 })).toBe("invalid-input");
  expect(refused()).toBe(0);
  expect(outcomeOf({ deadlineMs: 1000 })).toBe("overloaded");
  const drained = gateway.drain();
  expect(outcomeOf({ ...wrong, deadlineMs: 0 })).toBe("unavailable");
  expect(refused()).toBe(2);
  await drained;
});

test("a full gateway still answers the callers of a key that it runs", () => {
  open({ maxInSystem: 1 });
  expect(outcomeOf({ idempotencyKey: "a" })).toBe("taken");
  expect(outcomeOf({ idempotencyKey: "a" })).toBe("taken");
  expect(outcomeOf({ idempotencyKey: "a", payload: new Uint8Array(1) })).toBe("invalid-input");
  expect(outcomeOf({ idempotencyKey: "b" })).toBe("overloaded");
  expect(gateway.run.inSystem).toBe(1);
});

test("an unloaded model refuses its pipeline's requests", async () => {
  open();
  await gateway.models.unload(0);
  expect(outcomeOf({})).toBe("unavailable");
});

test("a deadline that passes answers its caller and gives up the request", async () => {
  open();
  const answers: Answer[] = [];
  const answer = (given: Answer): void => void answers.push(given);
  for (const idempotencyKey of [undefined, "a"]) {
    gateway.submit({ ...SUBMISSION, idempotencyKey, deadlineMs: 20, answer });
  }
  expect(gateway.run.inSystem).toBe(2);
  expect(await eventually(async () => gateway.run.inSystem === 0)).toBe(true);
  expect(answers.map(({ error }) => error?.code)).toEqual([
    "deadline-exceeded",
    "deadline-exceeded",
  ]);
});
