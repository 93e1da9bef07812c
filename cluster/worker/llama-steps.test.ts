/** Requests to llama.cpp, seen by a package that stands in its place and computes nothing. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { newSequence, type Sequence } from "../../engine/tokens/token-engine.ts";
import { llamaSteps } from "./llama-steps.ts";

const PACKAGE = `
globalThis.askedSlices = [];
const nothing = async () => undefined;
const slice = (number) => ({
  clearHistory: nothing,
  async controlledEvaluate(input) {
    globalThis.askedSlices.push(number);
    return input.map((one) => (Array.isArray(one) ? { next: { token: 1 } } : undefined));
  },
});
const model = {
  trainContextSize: 1000,
  tokenize: () => [1, 2, 3],
  detokenize: () => "a",
  isEogToken: () => false,
  createContext: async () => {
    let slices = 0;
    return { getSequence: () => slice(slices++), dispose: nothing };
  },
  dispose: nothing,
};
export const getLlama = async () => ({ loadModel: async () => model, dispose: nothing });
`;

const asked = (): number[] => (globalThis as unknown as { askedSlices: number[] }).askedSlices;

test("each sequence is computed by itself, whichever slices those had that left", async () => {
  const folder = temporaryFolder("llama-steps");
  const place = join(folder, "llama-cpp/node_modules/node-llama-cpp");
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "package.json"), '{ "main": "index.mjs" }');
  writeFileSync(join(place, "index.mjs"), PACKAGE);
  const weights = join(folder, "any.gguf");
  writeFileSync(weights, "");
  const { TANDEM_CACHE } = process.env;
  process.env.TANDEM_CACHE = folder;
  const settings = { weights, threads: 1, contextTokens: 100 };
  const limits = { maxSequences: 4, maxBatchedTokens: 100, blockTokens: 16 };
  const steps = await llamaSteps(settings, limits, ".", { nowUs: () => 0 }).finally(() => {
    if (TANDEM_CACHE === undefined) delete process.env.TANDEM_CACHE;
    else process.env.TANDEM_CACHE = TANDEM_CACHE;
  });
  const order = { priority: 0, client: 0, beginning: 0 };
  const begin = (id: number): Sequence => {
    const sequence = newSequence(id, 1, 0);
    sequence.isRunning = true;
    steps.began(sequence, { prompt: 1, output: 9, mayEnd: false, ...order });
    return sequence;
  };
  const run = async (running: readonly Sequence[]): Promise<readonly number[]> => {
    const before = asked().length;
    await new Promise<void>((resolve, reject) => {
      const shares = running.map((sequence) => ({ sequence, tokens: 1 }));
      const iteration = { shares, follows: false, warmUp: false, isKept: () => false };
      steps.run(iteration, () => resolve(), reject);
    });
    for (const sequence of running) {
      sequence.computed++;
      sequence.made++;
    }
    return asked().slice(before);
  };
  const running = [begin(1), begin(2), begin(3)];
  expect(await run(running)).toEqual([3, 2, 1]);
  for (const sequence of running.splice(0, 2)) {
    sequence.isRunning = false;
    steps.left(sequence);
  }
  running.push(begin(4), begin(5));
  // In order of admission they would be 1, 2, 3, which llama.cpp computes together.
  expect(await run(running)).toEqual([3, 2, 1]);
  await steps.close();
});
