/** Checks of models: their service times, batch sizes and implementations. */
import type { Issue } from "../../engine/basics/fault.ts";
import { tasksToPlace } from "../compile/placement.ts";
import { profilesOf, resolvePath } from "../reading/files.ts";
import { didYouMean, type Issues, issueAt, noSuch } from "../reading/issues.ts";
import { isMapping } from "../reading/set-path.ts";
import type { ImplementationDocument } from "../schema/implementation.ts";
import { fileEntries, IMPLEMENTATION_KINDS } from "../schema/implementation-kinds.ts";
import type { Profile } from "../schema/profile.ts";
import type { ClusterDocument, ModelDocument, Parts } from "../schema/scenario.ts";

type Models = Parts<"models">["models"];
type Profiles = Readonly<Record<string, Profile>>;

/** Models that tasks name but `models` lacks. */
export function* checkTaskModels({ pipelines, models }: Parts<"pipelines" | "models">): Issues {
  for (const [pipeline, { tasks }] of Object.entries(pipelines)) {
    for (const [name, { model, variants }] of Object.entries(tasks)) {
      const at = `pipelines.${pipeline}.tasks.${name}`;
      if ((model === undefined) === (variants === undefined)) {
        const given = model === undefined ? "neither" : "both";
        const message = `${given} \`model\` and \`variants\`: expected exactly one`;
        const hint = "`variants: [small, large]` lists models that can each do the task";
        yield issueAt(at, message, hint);
      } else if (variants !== undefined) {
        yield* checkVariants(`${at}.variants`, variants, models);
      } else if (!Object.hasOwn(models, model as string)) {
        yield noSuch("model", `${at}.model`, model as string, Object.keys(models));
      }
    }
  }
}

/** Variants are different models, and each has an accuracy to choose by. */
function* checkVariants(at: string, variants: readonly string[], models: Models): Issues {
  for (const [i, model] of variants.entries()) {
    const path = `${at}.${i}`;
    if (variants.indexOf(model) < i) {
      yield issueAt(path, `variant "${model}" is named twice in this list`);
    } else if (!Object.hasOwn(models, model)) {
      yield noSuch("model", path, model, Object.keys(models));
    } else if (models[model].accuracy === undefined) {
      const message = `model "${model}" has no accuracy, so it cannot be chosen among variants`;
      yield issueAt(path, message, accuracyHint(model));
    }
  }
}

function accuracyHint(model: string): string {
  return `for example \`models: { ${model}: { accuracy: 0.9 } }\``;
}

/** Each model has exactly one of profile and service, or is still to be calibrated. */
export function* checkModels(
  { models, cluster }: Parts<"models" | "cluster">,
  {
    profiles,
    requireTimes,
    file,
  }: { readonly profiles: Profiles; readonly requireTimes: boolean; readonly file: string },
): Issues {
  for (const [name, model] of Object.entries(models)) {
    const at = `models.${name}`;
    if (model.tokens !== undefined) {
      for (const key of ["profile", "service", "inputScaling", "implementation"] as const) {
        if (model[key] === undefined) continue;
        yield issueAt(`${at}.${key}`, `\`tokens\` and \`${key}\`: expected one of them`);
      }
      continue;
    }
    if (model.profile !== undefined && model.service !== undefined) {
      const message = "both `profile` and `service`: expected exactly one";
      yield issueAt(at, message, "keep the measured `profile`");
      continue;
    }
    if (model.profile === undefined && model.service === undefined) {
      const message = "no service times: expected `profile` or `service`";
      if (model.implementation === undefined) {
        yield issueAt(at, message, "`service: { distribution: exponential, meanMs: 40 }`");
      } else if (requireTimes) {
        yield issueAt(at, message, `run \`tandem calibrate ${file}\` first`);
      }
      continue;
    }
    for (const [path, written] of profilesOf(model)) {
      if (Object.hasOwn(profiles, written)) {
        yield* checkProfile(`${at}.${path}`, profiles[written], written);
      }
    }
    yield* checkLoad(`${at}.loadMs`, model, profiles);
    if (model.imputedAccuracy !== undefined && model.accuracy === undefined) {
      const message = "the model has no accuracy of its own";
      yield issueAt(`${at}.imputedAccuracy`, message, accuracyHint(name));
    }
    if (model.stoppable === true && model.implementation !== undefined) {
      const message = "a real model's run cannot be stopped";
      yield issueAt(`${at}.stoppable`, message, "drop it, or drop the `implementation`");
    }
    yield* checkDeviceKinds(`${at}.profile`, model, cluster);
  }
}

/** Whether the times of every model are known: none is still to be calibrated. */
export function haveTimes({ models }: Parts<"models">, profiles: Profiles): boolean {
  return Object.values(models).every((model) => {
    const measured = profilesOf(model);
    if (measured.length === 0) return model.service !== undefined || model.tokens !== undefined;
    return measured.every(([, written]) => Object.hasOwn(profiles, written));
  });
}

/** A measured load is in the model's only profile. */
function* checkLoad(at: string, { loadMs, profile }: ModelDocument, profiles: Profiles): Issues {
  if (loadMs !== "measured") return;
  const hint = "run `tandem calibrate` again, or give milliseconds";
  if (typeof profile !== "string") {
    yield issueAt(at, "measured needs one `profile`", hint);
  } else if (Object.hasOwn(profiles, profile) && profiles[profile].load === undefined) {
    yield issueAt(at, `${profile} has no measured load`, hint);
  }
}

function* checkProfile(at: string, { batches }: Profile, written: string): Issues {
  const sizes = batches.map(({ batch }) => batch);
  if (!sizes.includes(1)) {
    yield issueAt(at, `${written} has no batch of 1; it has ${sizes.join(", ")}`);
  }
  if (sizes.some((size, i) => i > 0 && size <= sizes[i - 1])) {
    yield issueAt(at, `${written}: batches must rise, got ${sizes.join(", ")}`);
  }
  const unsorted = batches.find(({ quantilesUs }) =>
    quantilesUs.some((value, i) => i > 0 && value < quantilesUs[i - 1]),
  );
  if (unsorted !== undefined) {
    yield issueAt(at, `${written}: the quantiles of batch ${unsorted.batch} do not rise`);
  }
}

/** A profile per device kind must cover the kinds that the nodes have, and no others. */
function* checkDeviceKinds(
  at: string,
  { profile }: ModelDocument,
  cluster: ClusterDocument,
): Issues {
  if (typeof profile !== "object") return;
  const given = Object.keys(profile);
  if (cluster.nodes === undefined) {
    if (given.length === 1) return;
    const message = `${given.length} profiles by device kind, but the cluster has no \`nodes\``;
    yield issueAt(at, message, "name the nodes and their devices, or one profile");
    return;
  }
  const kinds = new Set(cluster.nodes.flatMap((node) => Object.keys(node.devices)));
  for (const kind of given) {
    if (kinds.has(kind)) continue;
    const message = `no node has a device of kind "${kind}"`;
    yield issueAt(`${at}.${kind}`, message, didYouMean(kind, kinds));
  }
  // An explicit placement may keep a model off some kinds, so only the spread needs all.
  if (cluster.placement !== undefined) return;
  for (const kind of kinds) {
    if (!given.includes(kind)) yield issueAt(at, `no profile for devices of kind "${kind}"`);
  }
}

/** `perTask` names tasks that there are, and batches are no larger than measured. */
export function* checkBatches(
  { pipelines, models, scheduler }: Parts<"pipelines" | "models" | "scheduler">,
  profiles: Profiles,
): Issues {
  if (typeof scheduler === "string") return;
  const pools = tasksToPlace({ pipelines, models });
  const tasks = new Set(pools.flatMap(({ name, task }) => [task, name]));
  const { perTask = {}, batching } = scheduler;
  for (const name of Object.keys(perTask)) {
    if (!tasks.has(name)) yield noSuch("task", `scheduler.perTask.${name}`, name, tasks);
  }
  const seen = new Set<string>();
  for (const { name: pool, task, model } of pools) {
    const name = Object.hasOwn(perTask, pool) ? pool : task;
    const own = maxBatchOf(perTask[name]?.batching);
    const asked = own ?? maxBatchOf(batching);
    if (asked === undefined || !Object.hasOwn(models, model.name)) continue;
    const limit = largestBatch(models[model.name], profiles);
    const at = `scheduler.${own === undefined ? "" : `perTask.${name}.`}batching.maxBatch`;
    if (limit === undefined || asked <= limit.batch || seen.has(at + model.name)) continue;
    seen.add(at + model.name);
    const expected = `expected up to ${limit.batch}, the largest batch of ${limit.source}`;
    yield issueAt(at, `${expected}, got ${asked} (model ${model.name})`);
  }
}

/** As `batch.max` in the schema: an assumed service without `batch` takes as many. */
const DEFAULT_MAX = 64;

function maxBatchOf(policy: unknown): number | undefined {
  const { maxBatch } = isMapping(policy) ? policy : {};
  return typeof maxBatch === "number" ? maxBatch : undefined;
}

function largestBatch(
  model: ModelDocument,
  profiles: Profiles,
): { readonly batch: number; readonly source: string } | undefined {
  if (model.service !== undefined) {
    return { batch: model.service.batch?.max ?? DEFAULT_MAX, source: "its assumed service" };
  }
  if (model.tokens !== undefined)
    return { batch: 1, source: "an engine, which takes jobs one by one" };
  const limits = profilesOf(model).flatMap(([, written]) => {
    const profile = profiles[written];
    if (profile === undefined) return [];
    return [{ batch: Math.max(...profile.batches.map((entry) => entry.batch)), source: written }];
  });
  return limits.sort((a, b) => a.batch - b.batch)[0];
}

/** Whether there is a file of this path. Core cannot look at the disk. */
export type FileExists = (path: string) => boolean;

export function* checkImplementations(
  { models }: Parts<"models">,
  scenarioFile: string,
  exists: FileExists | undefined,
): Issues {
  for (const [name, { implementation }] of Object.entries(models)) {
    if (implementation === undefined) continue;
    const at = `models.${name}.implementation`;
    yield* checkKind(at, implementation);
    yield* checkExternal(`${at}.external`, implementation);
    yield* checkPreprocess(`${at}.preprocess`, implementation);
    yield* checkPostprocess(`${at}.postprocess`, implementation);
    for (const [path, written] of fileEntries(implementation)) {
      const found = resolvePath(scenarioFile, written);
      if (exists?.(found) !== false) continue;
      const hint = "paths start at the scenario file's folder";
      yield issueAt(`${at}.${path}`, `there is no file ${found}`, hint);
    }
  }
}

function* checkKind(at: string, implementation: ImplementationDocument): Issues {
  const given = IMPLEMENTATION_KINDS.filter((kind) => implementation[kind] !== undefined);
  if (given.length !== 1) {
    const got = given.join(" and ") || "none";
    const message = `expected one of ${IMPLEMENTATION_KINDS.join(", ")}, got ${got}`;
    yield issueAt(at, message, "for example `{ onnx: model.onnx }`");
  } else if (given[0] === "name") {
    for (const key of ["preprocess", "postprocess", "input", "maxRows"] as const) {
      if (implementation[key] === undefined) continue;
      yield issueAt(`${at}.${key}`, `the built-in model ${implementation.name} has its own ${key}`);
    }
  }
}

/** A token never travels in the clear. */
function* checkExternal(at: string, { external }: ImplementationDocument): Issues {
  const { address, tls, token } = external ?? {};
  if ((tls?.certificate === undefined) !== (tls?.key === undefined)) {
    const lacks = tls?.key === undefined ? "key" : "certificate";
    const message = `\`certificate\` and \`key\` go together, \`${lacks}\` is missing`;
    yield issueAt(`${at}.tls`, message);
  }
  if (token === undefined) return;
  if ((token.file === undefined) === (token.environment === undefined)) {
    const hint = "for example `token: { environment: MODEL_SERVER_TOKEN }`";
    yield issueAt(`${at}.token`, "expected one of file, environment", hint);
  }
  if (tls === undefined && !LOOPBACK.test(address ?? "")) {
    const hint = "add `tls: {}`, with the server's authority as `ca` unless the system knows it";
    yield issueAt(`${at}.token`, `would be sent to ${address} in the clear`, hint);
  }
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost):/;

/** In this order, each at most once; all but `layout` after `decode`. */
const PREPROCESS_ORDER: readonly string[] = ["decode", "cropTo", "resize", "normalise", "layout"];

function* checkPreprocess(at: string, { preprocess = [] }: ImplementationDocument): Issues {
  let last = -1;
  for (const [i, step] of preprocess.entries()) {
    const path = `${at}.${i}`;
    const [key, ...more] = Object.keys(step);
    const place = PREPROCESS_ORDER.indexOf(key);
    if (key === undefined || more.length > 0) {
      yield oneKey(path, PREPROCESS_ORDER, step);
    } else if (i === 0 && key !== "decode") {
      yield issueAt(path, `the first step is \`decode\`, got \`${key}\``);
    } else if (place <= last) {
      const order = `expected each step once, in the order ${PREPROCESS_ORDER.join(", ")}`;
      yield issueAt(path, `\`${key}\` after \`${PREPROCESS_ORDER[last]}\`: ${order}`);
    } else last = place;
  }
}

const POSTPROCESS_STEPS = ["softmax", "sigmoid", "yolo", "ssd", "suppress", "ctc", "topK"];
const OF_OBJECTS = ["yolo", "ssd"];
const DECODERS = [...OF_OBJECTS, "ctc", "topK"];

function* checkPostprocess(at: string, implementation: ImplementationDocument): Issues {
  const { preprocess = [], postprocess = [] } = implementation;
  let decoder = "";
  for (const [i, step] of postprocess.entries()) {
    const path = `${at}.${i}`;
    const [key, ...more] = Object.keys(step);
    if (key === undefined || more.length > 0) {
      yield oneKey(path, POSTPROCESS_STEPS, step);
    } else if (key === "suppress") {
      if (OF_OBJECTS.includes(decoder)) continue;
      yield issueAt(path, "`suppress` needs objects", "put `yolo` or `ssd` before it");
    } else if (decoder !== "") {
      yield issueAt(path, `\`${key}\` after \`${decoder}\`, which takes the outputs apart`);
    } else if (DECODERS.includes(key)) {
      decoder = key;
      if (!OF_OBJECTS.includes(key) || preprocess.length > 0) continue;
      yield issueAt(path, `\`${key}\` needs a picture`, "start `preprocess` with `decode: rgb`");
    }
  }
}

function oneKey(path: string, known: readonly string[], step: object): Issue {
  const got = Object.keys(step).join(" and ") || "none";
  return issueAt(path, `a step has one key, of ${known.join(", ")}; got ${got}`);
}
