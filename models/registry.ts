/** Opens a model's implementation: a built-in model with its parameters, or an ONNX file. Start here to use or add one. */

import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../engine/basics/fault.ts";
import { didYouMean } from "../scenario/reading/issues.ts";
import {
  type ImplementationDocument,
  implementationSchema,
} from "../scenario/schema/implementation.ts";
import type { SessionOptions } from "./session.ts";
import type { ModelProvenance, TaskInput, TaskModel, TaskOutput } from "./task-model.ts";

type ModelParameters = Readonly<Record<string, number | string>>;

interface OpenOptions {
  /** Folder of the model store; see `prepareModels`. */
  readonly cacheDir?: string;
  /** Provider and threads of the graphs; default: one thread of the CPU. */
  readonly session?: SessionOptions | undefined;
}

interface Entry {
  /** Accepted parameters, each with its range in words. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly open: (parameters: Record<string, number>, options: OpenOptions) => Promise<TaskModel>;
}

interface Parameter {
  readonly expected: string;
  readonly accepts: (value: number) => boolean;
}

/** All task models by name. Each loads what it needs when it is opened: ONNX Runtime takes its time. */
const TASK_MODELS = {
  "ssd-mobilenet-v2": {
    parameters: {
      minScore: { expected: "a score from 0 to 1", accepts: (value) => value >= 0 && value <= 1 },
    },
    open: openDetector,
  },
  "plate-reader": {
    parameters: {
      side: {
        expected: "a multiple of 32 from 96 to 1280, in pixels",
        accepts: (value) => value % 32 === 0 && value >= 96 && value <= 1280,
      },
    },
    open: async (parameters, options) => {
      const { openPlateReader } = await import("./plate-reader.ts");
      const { prepareModels } = await import("./store.ts");
      return openPlateReader(await prepareModels(options), parameters, options.session);
    },
  },
  /** Answers every input at once, so that a request costs its serving alone. */
  "no-op": {
    parameters: {
      inline: {
        expected: "0 or 1; 1: on its worker's own event loop, without a model's thread",
        accepts: (value) => value === 0 || value === 1,
      },
    },
    open: async () =>
      modelOf("no-op", async (batch) => batch.map(() => ({ labels: [], value: null }))),
  },
  /** Answers with a hash of its input, by which the sender sees that no answer is mixed up. */
  fingerprint: {
    parameters: {
      holdMs: {
        expected: "how long each batch takes, from 0 to 60000 ms",
        accepts: (value) => value >= 0 && value <= 60_000,
      },
    },
    open: async ({ holdMs = 0 }) =>
      modelOf("fingerprint", async (batch) => {
        if (holdMs > 0) await sleep(holdMs);
        return batch.map((input) => ({ labels: [], value: fingerprintOf(input) }));
      }),
  },
} as const satisfies Record<string, Entry>;

/** A car that fills its picture, or is cut off by its edge, has seldom more than this. */
const DEFAULT_SCORE = 0.3;
/** Boxes of one class that overlap more are one object; the model's own setting. */
const MAX_OVERLAP = 0.6;
const MAX_OBJECTS = 100;

/** Finds objects: SSD-MobileNetV2 trained on COCO, in the steps that any ONNX file may declare. */
async function openDetector(
  { minScore = DEFAULT_SCORE }: { minScore?: number },
  options: OpenOptions,
): Promise<TaskModel> {
  const { DETECTOR_PACKAGE, prepareModels } = await import("./store.ts");
  const { dir, files } = await prepareModels(options);
  const anchors = files["ssd-mobilenet-v2.anchors.f32"];
  const { name, version, license } = DETECTOR_PACKAGE;
  const about = { name: "ssd-mobilenet-v2", source: `npm:${name}@${version}`, license };
  const ssd = { boxes: "boxes", scores: "scores", anchors: anchors.path, minScore };
  const declaration = implementationSchema.parse({
    onnx: files["ssd-mobilenet-v2.onnx"].path,
    preprocess: [
      { decode: "rgb" },
      { resize: {} },
      { normalise: { scale: 1 / 127.5, mean: 1, deviation: 1 } },
    ],
    postprocess: [
      { ssd: { ...ssd, labels: "coco-91" } },
      { suppress: { maxOverlap: MAX_OVERLAP, maxCount: MAX_OBJECTS } },
    ],
  });
  return openGraph(declaration, about, { folder: dir, session: options.session }, [anchors]);
}

/** Opens an ONNX file with its declared steps, which may use `more` files. */
async function openGraph(
  declaration: ImplementationDocument,
  about: Pick<ModelProvenance, "name" | "source" | "license">,
  { folder, session }: Pick<ImplementationOptions, "folder" | "session">,
  more: ModelProvenance["files"] = [],
): Promise<TaskModel> {
  const { openDeclaredModel } = await import("./declared-model.ts");
  const { openEngine } = await import("./session.ts");
  const engine = await openEngine(resolve(folder, declaration.onnx as string), about, session);
  const files = [...engine.provenance.files, ...more.map(({ name, sha256 }) => ({ name, sha256 }))];
  const provenance = { ...engine.provenance, files };
  return openDeclaredModel({ ...engine, provenance }, declaration, folder);
}

type TaskModelName = keyof typeof TASK_MODELS;

const TASK_MODEL_NAMES = Object.keys(TASK_MODELS) as readonly TaskModelName[];

/** Fetches the weights the first time. Throws Fault("invalid-input") for an unknown name or a parameter out of range. */
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

/** A model without weights. */
function modelOf(name: string, run: TaskModel["run"]): TaskModel {
  const origin = { source: "this project", license: "MIT", runtime: "none", provider: "none" };
  return {
    provenance: { name, files: [], ...origin },
    inputs: null,
    outputs: null,
    run,
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

interface ImplementationOptions extends OpenOptions {
  /** Where the paths in it start. */
  readonly folder: string;
}

/** Opens a model in this process. Throws Fault("invalid-input") for other kinds, and what the model's opening throws. */
export async function openImplementation(
  implementation: ImplementationDocument,
  options: ImplementationOptions,
): Promise<TaskModel> {
  const { name, parameters, onnx, provider, threads } = implementation;
  const session = { provider, threads };
  if (name !== undefined) return openTaskModel(name, parameters, { ...options, session });
  if (onnx === undefined) {
    throw new Fault("invalid-input", "the implementation is neither a built-in model nor a file");
  }
  const source = { source: `file ${onnx}`, license: "the user's own" };
  const about = { name: basename(onnx, ".onnx"), ...source };
  return openGraph(implementation, about, { folder: options.folder, session });
}
