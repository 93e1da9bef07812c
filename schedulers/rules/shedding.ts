/** Which jobs are dropped instead of started. */
import { z } from "zod";
import type { Shedding } from "../../core/dispatch/policies.ts";
import { definePolicy, nonNegative } from "./policy-definition.ts";

export const never = definePolicy({
  name: "never",
  summary: "start every job, unless admission drops late ones",
  idea: "Start every job; the admission `drop-late` may drop those past their deadline.",
  reads: "Nothing.",
  failsWhen: "Answers that come too late are worth nothing, and take the time of others.",
  source: "None needed.",
  create: (): Shedding | undefined => undefined,
});

export const expectedLate = definePolicy({
  name: "expected-late",
  summary: "drop a job that would end after its deadline",
  idea: "Drop a job that is about to start if its batch is expected to end after the job's deadline.",
  reads: "Deadlines, and expected service times.",
  failsWhen: "Expectations are wrong, or a late answer is still worth something.",
  source: "Shen et al., Nexus, SOSP 2019, section 6.3 (early drop).",
  create:
    (_, { system: { replicas } }): Shedding | undefined =>
    ({ deadlineUs }, replica, size, nowUs) =>
      nowUs + replicas[replica].service.meanUs[size] > deadlineUs,
});

export const queueTimeout = definePolicy({
  name: "queue-timeout",
  summary: "drop a job that has waited too long for a replica",
  idea: "Drop a job that is about to start if it has waited longer than the timeout, however near its deadline is.",
  reads: "When the job's inputs were ready.",
  failsWhen: "Time was lost before the job's own queue: it counts from there only.",
  source:
    'NVIDIA Triton Inference Server, user guide, "Queue Policy": default_timeout_microseconds with the action REJECT, the default.',
  parameters: z.strictObject({
    timeoutMs: nonNegative(1e12).default(0).describe("longest wait in the queue, in ms; 0: any"),
  }),
  create: ({ timeoutMs }): Shedding | undefined => {
    const timeoutUs = Math.round(timeoutMs * 1000);
    if (timeoutUs === 0) return undefined;
    return ({ enteredUs }, _replica, _size, nowUs) => nowUs - enteredUs > timeoutUs;
  },
});
