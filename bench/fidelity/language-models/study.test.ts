import { describe, expect, test } from "vitest";
import { needs } from "../../../checks/support/needs.test-support.ts";
import { IS_LONG } from "../../../checks/support/test-form.test-support.ts";
import { isPublishedHere } from "./published.ts";
import { coefficientFindings, errorsOf, orderOf, tableFindings, tokenSection } from "./study.ts";

const here = needs("../shared/data/llm, the published runs of language models", isPublishedHere());

describe.skipIf(!here)("published runs", () => {
  test("Llama-3.1-8B on an RTX 4090 is predicted from tables alone", () => {
    const { ttft, tpot, latency } = errorsOf(tableFindings()[0]);
    expect(ttft).toBeLessThan(0.06);
    expect(tpot).toBeLessThan(0.03);
    expect(latency).toBeLessThan(0.03);
  });

  test("and only with its limit of KV blocks", () => {
    const { ttft, tpot, latency } = errorsOf(tableFindings(false)[0]);
    expect(Math.min(ttft, tpot, latency)).toBeGreaterThan(0.1);
  });

  test.runIf(IS_LONG)(
    "OPT-13B at light load is met by the overheads that were fitted there",
    () => {
      for (const finding of coefficientFindings().slice(0, 2)) {
        const { ttft, tpot, latency } = errorsOf(finding);
        expect(Math.max(ttft, tpot, latency)).toBeLessThan(0.05);
      }
    },
  );
});

test("runs whose shares lie far apart are in their order, or counted as not", () => {
  const figures = (attainment: number) => ({ ttftMs: 1, tpotMs: 1, latencyMs: 1, attainment });
  const finding = (predicted: number, measured: number) => ({
    run: "r",
    how: "",
    requests: 100,
    others: [],
    predicted: figures(predicted),
    measured: figures(measured),
  });
  const [high, low, near] = [finding(0.9, 0.8), finding(0.95, 0.5), finding(0.1, 0.52)];
  expect(orderOf([high, low, near])).toEqual({ right: 1, pairs: 2 });
});

test("the page shows each finding, and what is held back as a prediction alone", () => {
  const rows = tokenSection()
    .split("\n")
    .filter((line) => line.startsWith("| llama") || line.startsWith("| opt"));
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => row.includes("measured"))).toHaveLength(12);
});
