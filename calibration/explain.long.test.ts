/** Explanations of real runs on replay workers, and of gaps that are put there. */
import { beforeAll, describe, expect, it } from "vitest";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { type ConfigurationEvidence, explainConfiguration, PARTS } from "./explain.ts";
import { type ValidatedConfiguration, validateConfiguration } from "./validate.ts";

const inputs = { profiles: {}, traces: {} };

function document(meanMs: number): ScenarioDocument {
  const service = (ms: number) => ({ service: { distribution: "gamma", meanMs: ms, cv: 0.5 } });
  return scenarioSchema.parse({
    name: "explained",
    pipelines: {
      both: { tasks: { first: { model: "a" }, second: { model: "b", after: ["first"] } } },
    },
    models: { a: service(meanMs), b: service(8) },
    cluster: { replicas: { first: 2, second: 1 } },
    workload: { arrivals: "poisson", ratePerS: 15, requests: 45 },
  });
}

let validated: ValidatedConfiguration;

beforeAll(async () => {
  const configuration = { id: "c", parameters: {}, document: document(15) };
  const found = await validateConfiguration({
    configuration,
    inputs,
    backend: "replay",
    repeats: 3,
    timeScale: 1,
    tolerance: { latencyMeanMs: 0.05 },
    contents: () => [payloadRequest(new Uint8Array(10))],
  });
  validated = manyRuns(found);
});

/** Three at least: a busy machine sets runs aside, and those that are left stand for them; all means stay. */
function manyRuns(found: ValidatedConfiguration): ValidatedConfiguration {
  const { evidence, logs } = found;
  if (logs.length >= 3) return found;
  const thrice = <T>(all: readonly T[]): T[] => [...all, ...all, ...all];
  return { ...found, logs: thrice(logs), evidence: { ...evidence, runs: thrice(evidence.runs) } };
}

/** As if all runs had gone like the first, at costs that are known, and nothing were left unexplained. */
function steady({ evidence, logs }: ValidatedConfiguration) {
  const known = {
    clientRoundTripUs: [500],
    workerRoundTripUs: [300],
    latenessMeanMs: 0.1,
    gateway: { arrivalUs: 100, dispatchUs: 50, completionUs: 100 },
  };
  const runs = evidence.runs.map(() => ({ ...evidence.runs[0], ...known }));
  const same = logs.map(() => logs[0]);
  const left = explainConfiguration({ ...evidence, runs }, inputs, same).parts.queueing.mean;
  const explained = runs.map((run) => ({ ...run, latencyMeanMs: run.latencyMeanMs + left }));
  return { evidence: { ...evidence, runs: explained }, logs: same };
}

const sumOf = (parts: Readonly<Record<string, { readonly mean: number }>>): number =>
  PARTS.reduce((sum, part) => sum + parts[part].mean, 0);

describe("an explanation", () => {
  it("adds up to the gap that the validation found", () => {
    const { evidence, logs, result } = validated;
    const { parts, gapMs, predictedMs, measuredMs, figures, sentence, runs } = explainConfiguration(
      evidence,
      inputs,
      logs,
    );
    expect(runs).toBe(evidence.runs.length);
    expect(predictedMs.mean).toBeCloseTo(result.predicted.latencyMeanMs?.mean ?? Number.NaN, 9);
    expect(measuredMs.mean).toBeCloseTo(result.measured.metrics.latencyMeanMs?.mean ?? 0, 9);
    expect(sumOf(parts)).toBeCloseTo(gapMs.mean, 9);
    expect(gapMs.mean).toBeCloseTo(predictedMs.mean - measuredMs.mean, 9);
    // Nothing was assumed to be in the way, and something is.
    expect(parts.network.mean).toBeLessThan(0);
    expect(parts.gateway.mean).toBeLessThan(0);
    expect(parts["load generator"].mean).toBeLessThanOrEqual(0);
    const services = figures.filter(({ part }) => part === "service");
    expect(services.map(({ what }) => what)).toEqual([
      "a batch of first takes",
      "a batch of second takes",
    ]);
    for (const { measured } of services) expect(measured.mean).toBeGreaterThan(0);
    expect(sentence).toMatch(/^predicted − measured is [+−][\d.]+ ms/);
  });

  it("repeats the verdict and says what it cannot know", () => {
    const { evidence, logs, result } = validated;
    const { verdict, unknown } = explainConfiguration(evidence, inputs, logs);
    expect(verdict).toBe(result.verdict);
    expect(unknown.join("\n")).toMatch(/only waited the predicted times/);
    expect(unknown.join("\n")).toMatch(/service times of a, b are assumed, not measured/);
    expect(unknown.join("\n")).toMatch(/no overhead profile was given/);
    const judgement = {
      error: {},
      tolerance: {},
      verdict: "cannot tell" as const,
      judgements: {
        latencyP95Ms: { verdict: "cannot tell" as const, interval90: null, reason: "too few" },
      },
    };
    const doubtful = explainConfiguration({ ...evidence, judgement }, inputs, logs);
    expect(doubtful.verdict).toBe("cannot tell");
    expect(doubtful.unknown).toContain("whether latencyP95Ms agrees: too few");
    expect(doubtful.unknown).toContain("only the mean latency is taken apart, not latencyP95Ms");
  });

  it("of one run has no intervals, and claims no cause", () => {
    const { evidence, logs } = validated;
    const [run] = evidence.runs;
    const one = explainConfiguration({ ...evidence, runs: [run] }, inputs, logs);
    expect(one.gapMs.halfWidth95).toBeNull();
    expect(one.sentence).toMatch(/in one run: whether that is more than chance is not known/);
    expect(one.unknown).toContain("1 of the 3 runs that it takes to judge by");
  });

  it("of a gap within the runs' own differences says that there is none to explain", () => {
    const { evidence, logs } = validated;
    const runs = evidence.runs.map((run, i) => ({
      ...run,
      latencyMeanMs: run.latencyMeanMs + 1000 * (i - 1),
    }));
    const { sentence } = explainConfiguration({ ...evidence, runs }, inputs, logs);
    expect(sentence).toMatch(/these runs show no gap to explain\.$/);
  });

  it("names a cause wherever the verdict's interval shows a gap", () => {
    const { evidence, logs } = steady(validated);
    // However busy the host was: without a gap, and then with one of 50 ms.
    const { mean } = explainConfiguration(evidence, inputs, logs).gapMs;
    // t = √3 / 0.49 = 3.5 lies between the quantiles of both, 2.9 and 4.3.
    const runs = evidence.runs.map((run, i) => ({
      ...run,
      latencyMeanMs: run.latencyMeanMs + mean + 50 * (1 + 0.49 * (i - 1)),
    }));
    const { sentence, gapMs } = explainConfiguration({ ...evidence, runs }, inputs, logs);
    // The 95% interval of the difference holds 0; the 90% interval of the error does not.
    expect(Math.abs(gapMs.mean)).toBeLessThan(gapMs.halfWidth95 ?? 0);
    expect(sentence).toMatch(/the largest part, .* ms, is queueing/);
  });

  it("finds a service time that was predicted wrong, and calls nothing else by its name", () => {
    const { evidence, logs } = steady(validated);
    const slow: ConfigurationEvidence = { ...evidence, document: document(7.5) };
    const right = explainConfiguration(evidence, inputs, logs);
    const wrong = explainConfiguration(slow, inputs, logs);
    const { parts, gapMs, sentence } = wrong;
    expect(sumOf(parts)).toBeCloseTo(gapMs.mean, 9);
    // Half of 15 ms was left out, and with it waits.
    expect(parts.service.mean - right.parts.service.mean).toBeLessThan(-6);
    for (const part of ["network", "gateway", "queueing", "load generator"] as const) {
      expect(Math.abs(parts[part].mean - right.parts[part].mean)).toBeLessThan(0.5);
    }
    expect(sentence).toMatch(/the largest part, −[\d.]+ ms, is service.*a batch of first takes/);
  });

  it("finds requests that were sent late", () => {
    const { evidence, logs } = steady(validated);
    const runs = evidence.runs.map((run) => ({
      ...run,
      latencyMeanMs: run.latencyMeanMs + 50,
      latenessMeanMs: run.latenessMeanMs + 50,
    }));
    const right = explainConfiguration(evidence, inputs, logs);
    const { parts, gapMs, sentence } = explainConfiguration({ ...evidence, runs }, inputs, logs);
    expect(parts["load generator"].mean - right.parts["load generator"].mean).toBeCloseTo(-50, 9);
    expect(gapMs.mean - right.gapMs.mean).toBeCloseTo(-50, 9);
    expect(parts.queueing.mean).toBeCloseTo(right.parts.queueing.mean, 9);
    expect(sentence).toMatch(/is load generator, requests that were sent late/);
  });

  it("refuses what is no run log", () => {
    const { evidence } = validated;
    const logs = evidence.runs.map(() => "no log\n");
    expect(() => explainConfiguration(evidence, inputs, logs)).toThrow(/line 1 of the run log/);
  });
});
