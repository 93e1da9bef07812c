/** `calibrate`: the times of real models and of messages, measured on this machine. */
import { profilesByModel } from "../calibration/blocks.ts";
import { type Calibration, calibrate as measure } from "../calibration/calibrate.ts";
import { type CheckedProfile, checkProfiles } from "../calibration/check-profiles.ts";
import { type HostProbe, probeHost } from "../calibration/host.ts";
import { measuredHere } from "../calibration/profiles.ts";
import { fitSteps, type MeasuredStep, measureSteps } from "../calibration/step-times.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import { monotonicUs } from "../cluster/time/clock.ts";
import { llamaSteps } from "../cluster/worker/llama-steps.ts";
import { Fault } from "../engine/basics/fault.ts";
import { loadImages } from "../models/scenes.ts";
import { loadOnnxRuntime } from "../models/session.ts";
import { prepareModels as fetched } from "../models/store.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";
import type { Watch } from "./follow.ts";
import { checkedOptions, type Given } from "./option.ts";
import { CALIBRATE } from "./options.ts";
import { inputsOf, inventoryFor, type Scenario } from "./scenario.ts";

export interface CalibrateOptions extends Watch, Given<typeof CALIBRATE> {}

/** Contention is measured up to this many busy replicas of one machine. */
const CONTENTION_LEVELS = 4;

/**
 * Measures the real models of a scenario and the cost of messages on this machine: profiles by model, and the overhead profile; `scenario(…, { files })` takes them. Progress counts
 * seconds of its rounds. Throws Fault("invalid-input") where no model has an implementation,
 * Fault("usage") for a precision that is no share.
 */
export async function calibrate(
  loaded: Scenario,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { precision, maxSeconds = 120, images, inputs, on } = checkedOptions(CALIBRATE, options);
  const { document, own } = loaded;
  if (Object.values(document.models).every(({ implementation }) => implementation === undefined)) {
    throw new Fault("invalid-input", `no model of ${loaded.file} names an implementation`, {
      hint: "give models.<name>.implementation, e.g. { name: ssd-mobilenet-v2 }",
    });
  }
  options.signal?.throwIfAborted();
  const inventory = on === undefined ? undefined : inventoryFor(on, [document]);
  return measure(document, {
    source: { images, inputs },
    folder: inputsOf(loaded).folder,
    own,
    inventory,
    precision,
    maxSeconds,
    contentionLevels: CONTENTION_LEVELS,
    date: new Date().toISOString(),
    onStep: (step) => {
      options.onNote?.(step);
      options.signal?.throwIfAborted();
    },
    onProgress: (done, total) => {
      options.onProgress?.({ done, total });
      options.signal?.throwIfAborted();
    },
  });
}

/** Times of iterations as `models.NAME.tokens.steps` takes them. */
export interface CalibratedSteps {
  readonly profile: StepProfile;
  /** How far fitted times lie from measured ones, as shares of these: the median and the worst of the grid. */
  readonly medianError: number;
  readonly worstError: number;
  readonly measured: readonly MeasuredStep[];
}

/**
 * Measures the iterations of a scenario's language models on this machine, by model. Rejects with Fault("invalid-input")
 * where the package or the weights are missing.
 */
export async function calibrateSteps(
  loaded: Scenario,
  options: CalibrateOptions = {},
): Promise<Readonly<Record<string, CalibratedSteps>>> {
  const { maxSeconds = 120 } = checkedOptions(CALIBRATE, options);
  const found: Record<string, CalibratedSteps> = {};
  const models = Object.entries(loaded.document.models);
  const real = models.flatMap(([name, { tokens }]) =>
    tokens?.llama === undefined ? [] : [{ name, llama: tokens.llama, tokens }],
  );
  for (const { name, llama, tokens } of real) {
    options.onNote?.(`loading ${llama.weights}`);
    const { maxSequences, maxBatchedTokens } = tokens;
    const folder = inputsOf(loaded).folder ?? ".";
    const clock = { nowUs: monotonicUs };
    const steps = await llamaSteps(llama, tokens, folder, clock);
    try {
      const seconds = maxSeconds / real.length;
      const grid = { maxSequences, maxBatchedTokens, most: steps.most, seconds };
      const measured = await measureSteps(steps, grid, (text) => {
        options.onNote?.(`${name}: ${text}`);
        options.signal?.throwIfAborted();
      });
      const { steps: fitted, ...errors } = fitSteps(measured);
      const { files = [], runtime = "", provider = "" } = steps.provenance ?? {};
      const date = new Date().toISOString();
      const provenance = {
        ...measuredHere(llama.weights, runtime, provider, date),
        modelFiles: files.map((file) => ({ ...file })),
      };
      const times = { ...fitted, stepMs: 0, sequenceMs: 0 };
      found[name] = {
        profile: { schema: "tandem/step-profile@1", provenance, times },
        ...errors,
        measured,
      };
    } finally {
      await steps.close();
    }
  }
  return found;
}

/** Bound of a check, s: two minutes with its start. */
const CHECK_SECONDS = 90;

/**
 * Whether the scenario's stored profiles still hold on this machine, from a short calibration that is not kept. Rejects with
 * Fault("invalid-input") where no model with an implementation has a profile.
 */
export async function checkCalibration(
  loaded: Scenario,
  options: CalibrateOptions = {},
): Promise<readonly CheckedProfile[]> {
  const stored = profilesByModel(loaded.document, loaded.profiles);
  const known = Object.entries(stored).filter(
    ([model]) => loaded.document.models[model].implementation !== undefined,
  );
  if (known.length === 0) {
    throw new Fault("invalid-input", `${loaded.file} has no stored profile of a model to check`, {
      hint: "run `tandem calibrate` first: it writes the profiles that the scenario names",
    });
  }
  const { maxSeconds = CHECK_SECONDS } = options;
  const { profiles } = await calibrate(loaded, { ...options, maxSeconds });
  return checkProfiles(Object.fromEntries(known), profiles);
}

/** Long enough to see a steal of 1%. */
export const HOST_CHECK_S = 3;

const WAY_OUT =
  "stop other programs or take another machine; until then runs may be set aside, and verdicts be `cannot tell`";

/** Throws Fault("unhealthy") if it is not fit and `strict`; else lines to print, none if it is fit. */
export async function checkHost(strict: boolean, signal: AbortSignal): Promise<readonly string[]> {
  return hostLines(await unlessAborted(signal, probeHost({ seconds: HOST_CHECK_S })), strict);
}

/** Why this host is not fit to be measured on; empty where it is. Watches it for three seconds. */
export async function hostWarnings({ signal }: Pick<Watch, "signal"> = {}) {
  return checkHost(false, signal ?? new AbortController().signal);
}

export function hostLines({ reasons, unknown }: HostProbe, strict: boolean): readonly string[] {
  if (reasons.length === 0) return unknown;
  const message = `this host is not fit to be measured on: ${reasons.join("; ")}`;
  if (strict) throw new Fault("unhealthy", message, { hint: `${WAY_OUT}; or leave out --strict` });
  return [`tandem: warning: ${message}`, `  ${WAY_OUT}`, ...unknown];
}

/**
 * Loads ONNX Runtime, reads the photographs of the folder `images`, and fetches the weights of the built-in models where
 * they are not at hand. Rejects with Fault("not-found") or Fault("invalid-input") for pictures that cannot be read,
 * before it fetches anything.
 */
export async function prepareModels({
  images,
  onNote,
}: Pick<Watch, "onNote"> & { readonly images?: string | undefined } = {}): Promise<void> {
  await loadOnnxRuntime();
  if (images !== undefined) await loadImages(images);
  await fetched({ onProgress: ({ step, subject }) => onNote?.(`${step} ${subject}`) });
}
