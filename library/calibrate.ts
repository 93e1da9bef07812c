/** `calibrate`: the times of real models and of messages, measured on this machine. */
import { profilesByModel } from "../calibration/blocks.ts";
import { type Calibration, calibrate as measure } from "../calibration/calibrate.ts";
import { type CheckedProfile, checkProfiles } from "../calibration/check-profiles.ts";
import { type EngineCosts, engineCosts } from "../calibration/engine-costs.ts";
import { fitSteps, type MeasuredStep } from "../calibration/fit-steps.ts";
import { type HostProbe, loadReasons, probeHost, watchHost } from "../calibration/host.ts";
import { measureOutside } from "../calibration/outside-steps.ts";
import { measuredHere } from "../calibration/profiles.ts";
import { measureSteps } from "../calibration/step-times.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import { monotonicUs } from "../cluster/time/clock.ts";
import { externalWriter } from "../cluster/worker/external-writer.ts";
import { llamaSteps } from "../cluster/worker/llama-steps.ts";
import { assert, Fault } from "../engine/basics/fault.ts";
import {
  installLlamaCpp,
  isLlamaCppHere,
  llamaCppInstall,
  loadLlamaCpp,
} from "../models/llama-cpp.ts";
import { loadImages } from "../models/scenes.ts";
import { loadOnnxRuntime } from "../models/session.ts";
import { prepareModels as fetched } from "../models/store.ts";
import { areWeightsHere, weightsOf } from "../models/weights.ts";
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
  /** Why the times may not hold. */
  readonly doubts: readonly string[];
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
  const real = Object.entries(loaded.document.models).filter(
    ([, { tokens }]) => (tokens?.llama ?? tokens?.external) !== undefined,
  );
  for (const [name, { tokens }] of real) {
    const onStep = (text: string): void => {
      options.onNote?.(`${name}: ${text}`);
      options.signal?.throwIfAborted();
    };
    const seconds = maxSeconds / real.length;
    const folder = inputsOf(loaded).folder ?? ".";
    found[name] = await measuredModel(tokens as Writer, { seconds, folder, onStep });
  }
  return found;
}

type Writer = NonNullable<Scenario["document"]["models"][string]["tokens"]>;

interface Measuring {
  readonly seconds: number;
  readonly folder: string;
  readonly onStep: (text: string) => void;
}

async function measuredModel(
  tokens: Writer,
  { seconds, folder, onStep }: Measuring,
): Promise<CalibratedSteps> {
  const { llama, external, maxSequences, maxBatchedTokens } = tokens;
  if (external !== undefined) {
    const longest = Math.min(maxBatchedTokens, LONGEST_OUTSIDE);
    const open = () => externalWriter(external);
    const cells = await measureOutside(open, { maxSequences, longest, seconds }, onStep);
    const { model, url } = external;
    const provenance = measuredHere(model, "OpenAI's completions", url, now());
    // The times between a server's tokens hold all that it spends around its iterations.
    return calibrated(cells, provenance, { stepMs: 0, sequenceMs: 0 });
  }
  assert(llama !== undefined, "only models that run for real are measured");
  onStep(`loading ${llama.weights}`);
  const steps = await llamaSteps(llama, tokens, folder, { nowUs: monotonicUs });
  try {
    onStep("an engine's iterations that compute nothing");
    const costs = await engineCosts();
    const grid = { maxSequences, maxBatchedTokens, most: steps.most, seconds };
    const { cells, rounds, doubts } = await measureSteps(steps, grid, onStep, roundWatch);
    const { files = [], runtime = "", provider = "" } = steps.provenance ?? {};
    const provenance = {
      ...measuredHere(llama.weights, runtime, provider, now()),
      modelFiles: files.map((file) => ({ ...file })),
    };
    return { ...calibrated(cells, provenance, costs, rounds), doubts };
  } finally {
    await steps.close();
  }
}

/** Other programs slow iterations down. */
function roundWatch() {
  const watch = watchHost();
  const stop = async () => loadReasons(await watch.stop())[0] ?? null;
  return { stop, close: watch.close };
}

/** Longest prompt that another server is measured with. */
const LONGEST_OUTSIDE = 512;
const now = (): string => new Date().toISOString();

function calibrated(
  measured: readonly MeasuredStep[],
  provenance: StepProfile["provenance"],
  costs: EngineCosts,
  rounds: StepProfile["rounds"] & {} = [],
): CalibratedSteps {
  const { steps, ...errors } = fitSteps(measured);
  const times = { ...steps, ...costs };
  const known = rounds.length === 0 ? {} : { rounds };
  const { medianError: median, worstError: worst } = errors;
  const residuals = measured.length === 0 ? {} : { residuals: { median, worst } };
  const schema = "tandem/step-profile@1";
  const profile: StepProfile = { schema, provenance, times, ...residuals, ...known };
  return { profile, ...errors, measured, doubts: [] };
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

interface Preparing extends Pick<Watch, "onNote"> {
  /** Folder of photographs. */
  readonly images?: string | undefined;
  /** Names the language model that is fetched in place of the built-in models, with llama.cpp. */
  readonly weights?: string | undefined;
  /** Asked once, with what a language model still needs; by default that is fetched unasked. */
  readonly mayFetch?: ((wanted: string) => Promise<boolean>) | undefined;
}

/**
 * Loads ONNX Runtime, reads the photographs of the folder `images`, and fetches the weights of the built-in models where
 * they are not at hand; or installs llama.cpp, and fetches `weights`. Rejects with Fault("not-found") or
 * Fault("invalid-input") for pictures that cannot be read, before it fetches anything, with Fault("not-found") where
 * `mayFetch` says no, and with Fault("registry-unreachable").
 */
export async function prepareModels(preparing: Preparing = {}): Promise<void> {
  const { images, weights, onNote, mayFetch } = preparing;
  if (weights !== undefined) {
    const wanted = [
      ...(isLlamaCppHere() ? [] : [`llama.cpp (node-llama-cpp, 83 MB)`]),
      ...(areWeightsHere(weights) ? [] : [`the weights of ${weights} (93 MB)`]),
    ].join(" and ");
    if (wanted !== "" && (await mayFetch?.(wanted)) === false) {
      throw new Fault("not-found", `a language model needs ${wanted}`, {
        hint: `\`${llamaCppInstall()}\`; the first run fetches weights, or a scenario names a GGUF file`,
      });
    }
    if (wanted !== "") onNote?.(`fetch ${wanted}`);
    await installLlamaCpp();
    await loadLlamaCpp();
    await weightsOf(weights, ".");
    return;
  }
  await loadOnnxRuntime();
  if (images !== undefined) await loadImages(images);
  await fetched({ onProgress: ({ step, subject }) => onNote?.(`${step} ${subject}`) });
}
