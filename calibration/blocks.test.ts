import { expect, test } from "vitest";
import { judgeRuns } from "./blocks.ts";
import { pacedMessages } from "./paced-messages.ts";
import { SyntheticValidation } from "./synthetic-validation.test-support.ts";

test("waits are judged by the times of service in the blocks themselves", () => {
  const validation = new SyntheticValidation(4, "none");
  for (let block = 0; block < 5; block++) validation.addRun();
  const { document, inputs, runs, brackets } = validation;
  const plan = { document, inputs, backend: "onnx" as const, timeScale: 1 };
  const by = { tolerance: { latencyMeanMs: 0.05 }, error: 0.009, unfit: null };
  const errorsWith = (factor: number) => {
    const moved = brackets.map((bracket) => ({
      ...bracket,
      workUs: (slowdown: number | undefined) =>
        Object.fromEntries(
          Object.entries(bracket.workUs(slowdown)).map(([model, us]) => [model, us * factor]),
        ),
    }));
    const { simulatorError, waitsError } = judgeRuns(plan, runs, moved, by).judgement;
    return [simulatorError.latencyMeanMs?.mean ?? Number.NaN, waitsError?.mean ?? Number.NaN];
  };
  const [[between, within], [longer, sameWithin]] = [errorsWith(1), errorsWith(1.15)];
  expect(longer - between).toBeGreaterThan(0.15);
  expect(sameWithin).toBeCloseTo(within, 2);
  expect(Math.abs(within)).toBeLessThan(0.06);
});

test("message costs that calibration got wrong are in the prediction's error, and not in the simulator's", () => {
  const validation = new SyntheticValidation(4, "none");
  for (let block = 0; block < 5; block++) validation.addRun();
  const { document, runs, brackets } = validation;
  const judgedWith = (factor: number) => {
    const inputs = pacedMessages(validation.inputs, factor);
    const plan = { document, inputs, backend: "onnx" as const, timeScale: 1 };
    const by = { tolerance: { latencyMeanMs: 0.05 }, error: 0.009, unfit: null };
    return judgeRuns(plan, runs, brackets, by).judgement;
  };
  const [known, dear] = [judgedWith(1), judgedWith(5)];
  const error = (one: typeof known) => one.error.latencyMeanMs ?? Number.NaN;
  expect(error(dear) - error(known)).toBeGreaterThan(0.1);
  const { simulatorError, waitsError, messages } = dear;
  expect(simulatorError.latencyMeanMs?.mean).toBeCloseTo(
    known.simulatorError.latencyMeanMs?.mean ?? Number.NaN,
    5,
  );
  expect(waitsError?.mean).toBeCloseTo(known.waitsError?.mean ?? Number.NaN, 5);
  expect(messages?.storedUs).toBeCloseTo(5 * (known.messages?.storedUs ?? 0), 3);
});
