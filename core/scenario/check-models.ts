/** Checks of models: their service times, batch sizes and implementations. */
import type { Issue } from "../fault.ts";
import { tasksToPlace } from "../placement.ts";
import type { Profile } from "../profile.ts";
import { resolvePath } from "./files.ts";
import { fileEntries, IMPLEMENTATION_KINDS } from "./implementation-kinds.ts";
import { didYouMean, issueAt, noSuch } from "./issues.ts";
import type {
  ImplementationDocument,
  PostprocessStep,
  PreprocessStep,
} from "./schema/implementation.ts";
import type { ClusterDocument, ModelDocument, Parts } from "./schema.ts";

type Profiles = Readonly<Record<string, Profile>>;

/** Models that tasks name but `models` lacks. */
export function checkTaskModels({ pipelines, models }: Parts<"pipelines" | "models">): Issue[] {
  return Object.entries(pipelines).flatMap(([pipeline, { tasks }]) =>
    Object.entries(tasks).flatMap(([name, task]) => {
      const at = `pipelines.${pipeline}.tasks.${name}`;
      const { model, variants } = task;
      if ((model === undefined) === (variants === undefined)) {
        const message = `${model === undefined ? "neither" : "both"} \`model\` and \`variants\`: expected exactly one`;
        const hint = "`variants: [small, large]` lists models that can each do the task";
        return [issueAt(at, message, hint)];
      }
      if (variants !== undefined) return checkVariants(`${at}.variants`, variants, models);
      if (Object.hasOwn(models, model as string)) return [];
      return [noSuch("model", `${at}.model`, model as string, Object.keys(models))];
    }),
  );
}

/** Variants are different models, and each has an accuracy to choose by. */
function checkVariants(
  at: string,
  variants: readonly string[],
  models: Parts<"models">["models"],
): Issue[] {
  return variants.flatMap((model, i) => {
    const path = `${at}.${i}`;
    if (variants.indexOf(model) < i) {
      return [issueAt(path, `variant "${model}" is named twice in this list`)];
    }
    if (!Object.hasOwn(models, model)) return [noSuch("model", path, model, Object.keys(models))];
    if (models[model].accuracy !== undefined) return [];
    const message = `model "${model}" has no accuracy, so it cannot be chosen among variants`;
    return [issueAt(path, message, `for example \`models: { ${model}: { accuracy: 0.9 } }\``)];
  });
}

/** Each model has exactly one of profile and service, or is still to be calibrated. */
export function checkModels(
  { models, cluster }: Parts<"models" | "cluster">,
  options: {
    readonly profiles: Profiles;
    readonly requireTimes: boolean;
    readonly file: string;
  },
): Issue[] {
  return Object.entries(models).flatMap(([name, model]) => {
    const at = `models.${name}`;
    const calibrate = `run \`tandem calibrate ${options.file}\` first`;
    if (model.profile !== undefined && model.service !== undefined) {
      const message = "both `profile` and `service`: expected exactly one";
      return [issueAt(at, message, "keep the measured `profile`")];
    }
    if (model.profile === undefined && model.service === undefined) {
      const message = "no service times: expected `profile` or `service`";
      if (model.implementation === undefined) {
        return [issueAt(at, message, "`service: { distribution: exponential, meanMs: 40 }`")];
      }
      return options.requireTimes ? [issueAt(at, message, calibrate)] : [];
    }
    const measured = profilesOf(model).flatMap(([path, written]) =>
      checkProfile(`${at}.${path}`, options.profiles[written], written),
    );
    const load = checkLoad(at, model, options.profiles);
    const rated = checkAccuracy(at, name, model);
    return [...measured, ...load, ...rated, ...checkDeviceKinds(at, model, cluster)];
  });
}

/** The accuracy of imputed answers goes with that of the model's own. */
function checkAccuracy(at: string, name: string, model: ModelDocument): Issue[] {
  if (model.imputedAccuracy === undefined || model.accuracy !== undefined) return [];
  const hint = `for example \`models: { ${name}: { accuracy: 0.9 } }\``;
  return [issueAt(`${at}.imputedAccuracy`, "the model has no accuracy of its own", hint)];
}

/** Whether the times of every model are known: none is still to be calibrated. */
export function haveTimes({ models }: Parts<"models">, profiles: Profiles): boolean {
  return Object.values(models).every((model) => {
    const measured = profilesOf(model);
    if (measured.length === 0) return model.service !== undefined;
    return measured.every(([, written]) => Object.hasOwn(profiles, written));
  });
}

/** A measured load is in the model's only profile. */
function checkLoad(at: string, { loadMs, profile }: ModelDocument, profiles: Profiles): Issue[] {
  if (loadMs !== "measured") return [];
  const hint = "run `tandem calibrate` again, or give milliseconds";
  if (typeof profile !== "string") {
    return [issueAt(`${at}.loadMs`, "measured needs one `profile`", hint)];
  }
  const read = profiles[profile];
  if (read === undefined || read.load !== undefined) return [];
  return [issueAt(`${at}.loadMs`, `${profile} has no measured load`, hint)];
}

/** The profile files of a model, each with its path in the model and the path as written. */
function profilesOf(model: ModelDocument): readonly (readonly [string, string])[] {
  if (model.profile === undefined) return [];
  if (typeof model.profile === "string") return [["profile", model.profile]];
  return Object.entries(model.profile).map(([kind, path]) => [`profile.${kind}`, path]);
}

function checkProfile(at: string, profile: Profile | undefined, written: string): Issue[] {
  if (profile === undefined) return [];
  const sizes = profile.batches.map((entry) => entry.batch);
  const issues: Issue[] = [];
  if (!sizes.includes(1)) {
    issues.push(issueAt(at, `${written} has no batch of 1; it has ${sizes.join(", ")}`));
  }
  if (sizes.some((size, index) => index > 0 && size <= sizes[index - 1]!)) {
    issues.push(issueAt(at, `${written}: batches must rise, got ${sizes.join(", ")}`));
  }
  const unsorted = profile.batches.find((entry) =>
    entry.quantilesUs.some((value, index) => index > 0 && value < entry.quantilesUs[index - 1]!),
  );
  if (unsorted !== undefined) {
    const message = `${written}: the quantiles of batch ${unsorted.batch} do not rise`;
    issues.push(issueAt(at, message));
  }
  return issues;
}

/** A profile per device kind must cover the kinds that the nodes have, and no others. */
function checkDeviceKinds(at: string, model: ModelDocument, cluster: ClusterDocument): Issue[] {
  if (typeof model.profile !== "object") return [];
  const given = Object.keys(model.profile);
  if (cluster.nodes === undefined) {
    if (given.length === 1) return [];
    const message = `${given.length} profiles by device kind, but the cluster has no \`nodes\``;
    return [issueAt(`${at}.profile`, message, "name the nodes and their devices, or one profile")];
  }
  const kinds = new Set(cluster.nodes.flatMap((node) => Object.keys(node.devices)));
  const strangers = given
    .filter((kind) => !kinds.has(kind))
    .map((kind) => {
      const message = `no node has a device of kind "${kind}"`;
      return issueAt(`${at}.profile.${kind}`, message, didYouMean(kind, kinds));
    });
  // An explicit placement may keep a model off some kinds, so only the spread needs all.
  if (cluster.placement !== undefined) return strangers;
  const uncovered = [...kinds]
    .filter((kind) => !given.includes(kind))
    .map((kind) => issueAt(`${at}.profile`, `no profile for devices of kind "${kind}"`));
  return [...strangers, ...uncovered];
}

type SchedulerSections = Parts<"pipelines" | "models" | "scheduler">;

/** `perTask` names tasks that there are, and batches are no larger than measured. */
export function checkBatches(
  { pipelines, models, scheduler }: SchedulerSections,
  profiles: Profiles,
): Issue[] {
  if (typeof scheduler === "string") return [];
  const pools = tasksToPlace({ pipelines, models });
  const tasks = new Set(pools.flatMap(({ name, task }) => [task, name]));
  const perTask = scheduler.perTask ?? {};
  const strangers = Object.keys(perTask)
    .filter((name) => !tasks.has(name))
    .map((name) => noSuch("task", `scheduler.perTask.${name}`, name, tasks));
  const seen = new Set<string>();
  const tooLarge = pools.flatMap(({ name: pool, task, model: { name: modelName } }) => {
    const name = Object.hasOwn(perTask, pool) ? pool : task;
    const own = maxBatchOf(perTask[name]?.batching);
    const asked = own ?? maxBatchOf(scheduler.batching);
    const model = models[modelName];
    if (asked === undefined || model === undefined) return [];
    const at = `scheduler.${own === undefined ? "" : `perTask.${name}.`}batching.maxBatch`;
    const limit = largestBatch(model, profiles);
    if (limit === undefined || asked <= limit.batch || seen.has(at + modelName)) return [];
    seen.add(at + modelName);
    const expected = `expected up to ${limit.batch}, the largest batch of ${limit.source}`;
    return [issueAt(at, `${expected}, got ${asked} (model ${modelName})`)];
  });
  return [...strangers, ...tooLarge];
}

/** As `batch.max` in the schema: an assumed service without `batch` takes as many. */
const DEFAULT_MAX = 64;

function maxBatchOf(policy: unknown): number | undefined {
  if (typeof policy !== "object" || policy === null || !("maxBatch" in policy)) return undefined;
  return typeof policy.maxBatch === "number" ? policy.maxBatch : undefined;
}

function largestBatch(
  model: ModelDocument,
  profiles: Profiles,
): { readonly batch: number; readonly source: string } | undefined {
  if (model.service !== undefined) {
    return { batch: model.service.batch?.max ?? DEFAULT_MAX, source: "its assumed service" };
  }
  const limits = profilesOf(model).flatMap(([, written]) => {
    const profile = profiles[written];
    if (profile === undefined) return [];
    return [{ batch: Math.max(...profile.batches.map((entry) => entry.batch)), source: written }];
  });
  return limits.sort((a, b) => a.batch - b.batch)[0];
}

/** Whether there is a file of this path. Core cannot look at the disk. */
export type FileExists = (path: string) => boolean;

export function checkImplementations(
  { models }: Parts<"models">,
  scenarioFile: string,
  exists: FileExists | undefined,
): Issue[] {
  return Object.entries(models).flatMap(([name, { implementation }]) => {
    if (implementation === undefined) return [];
    const at = `models.${name}.implementation`;
    const missing = fileEntries(implementation)
      .filter(([, written]) => exists?.(resolvePath(scenarioFile, written)) === false)
      .map(([path, written]) => {
        const found = resolvePath(scenarioFile, written);
        const hint = "paths start at the scenario file's folder";
        return issueAt(`${at}.${path}`, `there is no file ${found}`, hint);
      });
    return [
      ...checkKind(at, implementation),
      ...checkExternal(`${at}.external`, implementation),
      ...checkPreprocess(`${at}.preprocess`, implementation.preprocess ?? []),
      ...checkPostprocess(`${at}.postprocess`, implementation),
      ...missing,
    ];
  });
}

function checkKind(at: string, implementation: ImplementationDocument): Issue[] {
  const given = IMPLEMENTATION_KINDS.filter((kind) => implementation[kind] !== undefined);
  if (given.length !== 1) {
    const message = `expected one of ${IMPLEMENTATION_KINDS.join(", ")}, got ${given.join(" and ") || "none"}`;
    return [issueAt(at, message, "for example `{ onnx: model.onnx }`")];
  }
  if (given[0] !== "name") return [];
  const own = (["preprocess", "postprocess", "input", "maxRows"] as const).filter(
    (key) => implementation[key] !== undefined,
  );
  return own.map((key) =>
    issueAt(`${at}.${key}`, `the built-in model ${implementation.name} has its own ${key}`),
  );
}

/** A token never travels in the clear. */
function checkExternal(at: string, { external }: ImplementationDocument): Issue[] {
  const { address, tls, token } = external ?? {};
  const issues: Issue[] = [];
  if ((tls?.certificate === undefined) !== (tls?.key === undefined)) {
    const lacks = tls?.key === undefined ? "key" : "certificate";
    issues.push(
      issueAt(`${at}.tls`, `\`certificate\` and \`key\` go together, \`${lacks}\` is missing`),
    );
  }
  if (token === undefined) return issues;
  if ((token.file === undefined) === (token.environment === undefined)) {
    const hint = "for example `token: { environment: MODEL_SERVER_TOKEN }`";
    issues.push(issueAt(`${at}.token`, "expected one of file, environment", hint));
  }
  if (tls === undefined && !LOOPBACK.test(address ?? "")) {
    const hint = "add `tls: {}`, with the server's authority as `ca` unless the system knows it";
    issues.push(issueAt(`${at}.token`, `would be sent to ${address} in the clear`, hint));
  }
  return issues;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost):/;

/** In this order, each at most once; all but `layout` after `decode`. */
const PREPROCESS_ORDER = ["decode", "cropTo", "resize", "normalise", "layout"] as const;

function checkPreprocess(at: string, steps: readonly PreprocessStep[]): Issue[] {
  let last = -1;
  return steps.flatMap((step, i) => {
    const path = `${at}.${i}`;
    const keys = Object.keys(step) as (typeof PREPROCESS_ORDER)[number][];
    if (keys.length !== 1) return [oneKey(path, PREPROCESS_ORDER, keys)];
    const place = PREPROCESS_ORDER.indexOf(keys[0]);
    const isFirst = i === 0;
    if (isFirst && keys[0] !== "decode") {
      return [issueAt(path, `the first step is \`decode\`, got \`${keys[0]}\``)];
    }
    if (place <= last) {
      const order = `expected each step once, in the order ${PREPROCESS_ORDER.join(", ")}`;
      return [issueAt(path, `\`${keys[0]}\` after \`${PREPROCESS_ORDER[last]}\`: ${order}`)];
    }
    last = place;
    return [];
  });
}

const POSTPROCESS_STEPS = ["softmax", "sigmoid", "yolo", "ssd", "suppress", "ctc", "topK"] as const;
const OF_OBJECTS: readonly string[] = ["yolo", "ssd"];
const DECODERS: readonly string[] = [...OF_OBJECTS, "ctc", "topK"];

function checkPostprocess(at: string, implementation: ImplementationDocument): Issue[] {
  const { preprocess = [], postprocess = [] } = implementation;
  let decoder: string | undefined;
  return postprocess.flatMap((step: PostprocessStep, i) => {
    const path = `${at}.${i}`;
    const keys = Object.keys(step);
    if (keys.length !== 1) return [oneKey(path, POSTPROCESS_STEPS, keys)];
    const [key] = keys;
    if (key === "suppress") {
      if (decoder !== undefined && OF_OBJECTS.includes(decoder)) return [];
      return [issueAt(path, "`suppress` needs objects", "put `yolo` or `ssd` before it")];
    }
    if (decoder !== undefined) {
      return [issueAt(path, `\`${key}\` after \`${decoder}\`, which takes the outputs apart`)];
    }
    if (!DECODERS.includes(key)) return [];
    decoder = key;
    if (!OF_OBJECTS.includes(key) || preprocess.length > 0) return [];
    return [issueAt(path, `\`${key}\` needs a picture`, "start `preprocess` with `decode: rgb`")];
  });
}

function oneKey(path: string, known: readonly string[], keys: readonly string[]): Issue {
  const got = keys.length === 0 ? "none" : keys.join(" and ");
  return issueAt(path, `a step has one key, of ${known.join(", ")}; got ${got}`);
}
