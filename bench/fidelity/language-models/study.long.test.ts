/** Fits of runs with prefill and decode apart take half a minute. */
import { expect, test } from "vitest";
import { needs } from "../../../checks/support/needs.test-support.ts";
import { isPublishedHere } from "./published.ts";
import { apartFindings, errorsOf } from "./study.ts";

const here = needs("../shared/data/llm, the published runs of language models", isPublishedHere());

test.skipIf(!here)(
  "DistServe on OPT-13B is met at light load, where it was fitted, and predicted at the knee",
  { timeout: 120_000 },
  () => {
    const found = apartFindings();
    for (const finding of found.slice(0, 6)) {
      const { ttft, tpot, latency } = errorsOf(finding);
      expect(ttft).toBeLessThan(0.1);
      expect(tpot).toBeLessThan(0.12);
      expect(latency).toBeLessThan(0.1);
    }
  },
);
