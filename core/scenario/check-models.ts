/** Checks that every task has a model, every model its times, and every batch a measurement. */
import type { Issue } from "../fault.ts";
import type { Profile } from "../profile.ts";
import { noSuchTask } from "./check-pipelines.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { ClusterDocument, ModelDocument, ScenarioDocument } from "./schema.ts";

type Profiles = Readonly<Record<string, Profile>>;

/** Models that tasks name but nobody defines. */
export function checkTaskModels({
  pipelines,
  models,
}: Pick<ScenarioDocument, "pipelines" | "models">): Issue[] {
  return Object.entries(pipelines).flatMap(([pipeline, { tasks }]) =>
    Object.entries(tasks).flatMap(([name, task]) => {
      if (Object.hasOwn(models, task.model)) return [];
      const at = `pipelines.${pipeline}.tasks.${name}.model`;
      const hint = didYouMean(task.model, Object.keys(models));
      return [issueAt(at, `no model is called "${task.model}"`, hint)];
    }),
  );
}

/** Where each model's times come from: exactly one of profile and service, or to be calibrated. */
export function checkModels(
  { models, cluster }: Pick<ScenarioDocument, "models" | "cluster">,
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
    return [...measured, ...load, ...checkDeviceKinds(at, model, cluster)];
  });
}

/** Whether a simulation has the times of every model: none is still to be calibrated. */
export function haveTimes(
  { models }: Pick<ScenarioDocument, "models">,
  profiles: Profiles,
): boolean {
  return Object.values(models).every((model) => {
    const measured = profilesOf(model);
    if (measured.length === 0) return model.service !== undefined;
    return measured.every(([, written]) => Object.hasOwn(profiles, written));
  });
}

/** A load that is as measured is in the model's one profile. */
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
  // With an explicit placement a model may be kept off some kinds, so only the spread needs all.
  if (cluster.placement !== undefined) return strangers;
  const uncovered = [...kinds]
    .filter((kind) => !given.includes(kind))
    .map((kind) => issueAt(`${at}.profile`, `no profile for devices of kind "${kind}"`));
  return [...strangers, ...uncovered];
}

type SchedulerSections = Pick<ScenarioDocument, "pipelines" | "models" | "scheduler">;

/** Task names under `perTask`, and batch sizes that nobody measured. */
export function checkBatches(
  { pipelines, models, scheduler }: SchedulerSections,
  profiles: Profiles,
): Issue[] {
  if (typeof scheduler === "string") return [];
  const tasks = new Map<string, string>();
  for (const pipeline of Object.values(pipelines)) {
    for (const [name, task] of Object.entries(pipeline.tasks)) tasks.set(name, task.model);
  }
  const perTask = scheduler.perTask ?? {};
  const strangers = Object.keys(perTask)
    .filter((name) => !tasks.has(name))
    .map((name) => noSuchTask(`scheduler.perTask.${name}`, name, tasks.keys()));
  const seen = new Set<string>();
  const tooLarge = [...tasks].flatMap(([name, modelName]) => {
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
