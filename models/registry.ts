/**
 * Opens a model's implementation as a scenario declares it: a built-in model with its parameters, or an
 * ONNX file. Start here to use or to add one.
 */

import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import { didYouMean } from "../core/scenario/issues.ts";
import type { ImplementationDocument } from "../core/scenario/schema/implementation.ts";
import type { SessionOptions } from "./session.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";

/** Values as a scenario file gives them. */
type ModelParameters = Readonly<Record<string, number | string>>;

interface OpenOptions {
  /** Folder of the model store; see `prepareModels`. */
  readonly cacheDir?: string;
  /** Provider and threads of the graphs; default: one thread of the CPU. */
  readonly session?: SessionOptions;
}

interface Entry {
  readonly description: string;
  /** Accepted parameters, each with its range in words. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly open: (parameters: Record<string, number>, options: OpenOptions) => Promise<TaskModel>;
}

interface Parameter {
  readonly expected: string;
  readonly accepts: (value: number) => boolean;
}

/**
 * All task models by name. What a model needs is loaded when it is opened: ONNX Runtime takes its
 * time.
 */
const TASK_MODELS = {
  "ssd-mobilenet-v2": {
    description: "finds objects of the 80 COCO classes; one batch is one inference",
    parameters: {
      minScore: { expected: "a score from 0 to 1", accepts: (value) => value >= 0 && value <= 1 },
    },
    open: async (parameters, options) => {
      const { openDetector } = await import("./detector.ts");
      return openDetector(await prepared(options), parameters, options.session);
    },
  },
  "plate-reader": {
    description: "reads the number plate of the best vehicle; a larger `side` reads more, slower",
    parameters: {
      side: {
        expected: "a multiple of 32 from 96 to 1280, in pixels",
        accepts: (value) => value % 32 === 0 && value >= 96 && value <= 1280,
      },
    },
    open: async (parameters, options) => {
      const { openPlateReader } = await import("./plate-reader.ts");
      return openPlateReader(await prepared(options), parameters, options.session);
    },
  },
  "no-op": {
    description: "answers at once with nothing, to measure the cost of serving alone",
    parameters: {
      inline: {
        expected: "0 or 1; 1: on its worker's own event loop, without a model's thread",
        accepts: (value) => value === 0 || value === 1,
      },
    },
    open: async () => openNoOp(),
  },
  fingerprint: {
    description: "answers with a hash of its input, to show that no answer is mixed up",
    parameters: {
      holdMs: {
        expected: "how long each batch takes, from 0 to 60000 ms",
        accepts: (value) => value >= 0 && value <= 60_000,
      },
    },
    open: async (parameters) => openFingerprint(parameters),
  },
} as const satisfies Record<string, Entry>;

async function prepared(options: OpenOptions) {
  const { prepareModels } = await import("./store.ts");
  return prepareModels(options);
}

type TaskModelName = keyof typeof TASK_MODELS;

/** The known names, in the order of the table. */
const TASK_MODEL_NAMES = Object.keys(TASK_MODELS) as readonly TaskModelName[];

/**
 * Opens a model by name; the first time, its weights are fetched.
 * Throws Fault("invalid-input") for a name or parameter that is unknown or out of range, and what
 * `prepareModels` throws.
 */
export async function openTaskModel(
  name: TaskModelName | (string & {}),
  parameters: ModelParameters = {},
  options: OpenOptions = {},
): Promise<TaskModel> {
  const entry: Entry | undefined = Object.hasOwn(TASK_MODELS, name)
    ? TASK_MODELS[name as TaskModelName]
    : undefined;
  if (entry === undefined) {
    throw new Fault("invalid-input", `no model is called ${JSON.stringify(name)}`, {
      hint: didYouMean(name, TASK_MODEL_NAMES) ?? TASK_MODEL_NAMES.join(", "),
    });
  }
  return entry.open(checked(name, parameters, entry.parameters), options);
}

/** The parameters as numbers ("320" counts as 320); throws all their issues at once. */
function checked(
  name: string,
  parameters: ModelParameters,
  known: Entry["parameters"],
): Record<string, number> {
  const values: Record<string, number> = {};
  const issues = Object.entries(parameters).flatMap(([key, given]) => {
    const path = `parameters.${key}`;
    if (!Object.hasOwn(known, key)) {
      return [
        {
          path,
          message: "unknown parameter",
          hint: didYouMean(key, Object.keys(known)) ?? "it takes none",
        },
      ];
    }
    const value = typeof given === "string" && given.trim() === "" ? Number.NaN : Number(given);
    values[key] = value;
    if (known[key]!.accepts(value)) return [];
    return [{ path, message: `is ${JSON.stringify(given)}, not ${known[key]!.expected}` }];
  });
  if (issues.length === 0) return values;
  const text = issues.map(({ path, message }) => `${path} ${message}`).join("; ");
  throw new Fault("invalid-input", `model ${name}: ${text}`, { issues });
}

/** Provenance of models without weights. */
const OWN = {
  files: [],
  source: "this project",
  license: "MIT",
  runtime: "none",
  provider: "none",
};

/** Answers every input at once, so that a request costs its serving alone. */
function openNoOp(): TaskModel {
  return {
    provenance: { name: "no-op", ...OWN },
    inputs: null,
    outputs: null,
    run: async (batch) => batch.map(() => ({ labels: [], value: null })),
    close: async () => {},
  };
}

/** Answers each input with its hash, by which the sender sees that no answer is mixed up; a batch takes `holdMs`. */
function openFingerprint({ holdMs = 0 }: { holdMs?: number }): TaskModel {
  return {
    provenance: { name: "fingerprint", ...OWN },
    inputs: null,
    outputs: null,
    run: async (batch) => {
      if (holdMs > 0) await sleep(holdMs);
      return batch.map((input) => ({ labels: [], value: fingerprintOf(input) }));
    },
    close: async () => {},
  };
}

/** SHA-256 over the payload and the values of the tasks before, by name. */
export function fingerprintOf({
  payload,
  upstream,
}: Pick<TaskInput, "payload" | "upstream">): string {
  const hash = createHash("sha256").update(payload);
  for (const task of Object.keys(upstream).sort()) {
    hash.update(`\n${task}=${JSON.stringify((upstream[task] as TaskOutput).value)}`);
  }
  return hash.digest("base64url");
}

export interface ImplementationOptions extends OpenOptions {
  /** Where the paths in it start. */
  readonly folder: string;
}

/**
 * Opens what runs in this process.
 * Throws Fault("invalid-input") for other kinds, and what the model's opening throws.
 */
export async function openImplementation(
  implementation: ImplementationDocument,
  options: ImplementationOptions,
): Promise<TaskModel> {
  const { name, parameters, onnx, provider, threads } = implementation;
  const { folder, cacheDir } = options;
  if (name !== undefined) {
    const session = { provider, threads };
    return openTaskModel(name, parameters, {
      session,
      ...(cacheDir === undefined ? {} : { cacheDir }),
    });
  }
  if (onnx === undefined) {
    throw new Fault("invalid-input", "the implementation is neither a built-in model nor a file");
  }
  const { openDeclaredModel } = await import("./declared-model.ts");
  const { openEngine } = await import("./session.ts");
  const path = resolve(folder, onnx);
  const about = {
    name: basename(onnx, ".onnx"),
    source: `file ${onnx}`,
    license: "the user's own",
  };
  return openDeclaredModel(
    await openEngine(path, about, { provider, threads }),
    implementation,
    folder,
  );
}
