/** Checks of language models: lengths where a model needs them, room for its sequences, and terms that go with it. */
import { placeReplicas, tasksToPlace, variantsOf } from "../compile/placement.ts";
import { type Issues, issueAt } from "../reading/issues.ts";
import type { ModelDocument, Parts } from "../schema/scenario.ts";

/** A task has lengths where its model is served in iterations, and only there. */
export function* checkLengths({ pipelines, models }: Parts<"pipelines" | "models">): Issues {
  for (const [pipeline, { tasks, discipline, slo }] of Object.entries(pipelines)) {
    const writes = Object.values(tasks).some((task) => task.tokens !== undefined);
    for (const key of ["ttftMs", "tpotMs"] as const) {
      if (slo?.[key] === undefined || writes) continue;
      const message = "no task of the pipeline writes tokens";
      yield issueAt(`pipelines.${pipeline}.slo.${key}`, message, "drop it");
    }
    for (const [name, task] of Object.entries(tasks)) {
      const at = `pipelines.${pipeline}.tasks.${name}`;
      const writers = variantsOf(name, task).filter(({ model }) => models[model]?.tokens);
      if (writers.length === 0) {
        if (task.tokens === undefined) continue;
        const message = "lengths of tokens, but its model has no `tokens`";
        yield issueAt(`${at}.tokens`, message, "drop them, or give the model `tokens`");
        continue;
      }
      if (task.variants !== undefined) {
        yield issueAt(`${at}.variants`, "a language model cannot be one of several variants yet");
      }
      if (discipline === "pipeline-held") {
        const message = "a chain holds a replica for one request, a language model serves several";
        yield issueAt(`pipelines.${pipeline}.discipline`, message, "`discipline: per-task`");
      }
      if (task.tokens === undefined) {
        const hint = "for example `tokens: { prompt: 500, output: 200 }`";
        yield issueAt(at, `model "${task.model}" needs lengths`, hint);
        continue;
      }
      yield* checkRoom(`${at}.tokens.most`, task.tokens.most, models[writers[0].model]);
    }
  }
}

/** The longest sequence must fit, or it would wait for ever. */
function* checkRoom(at: string, most: number, { tokens }: ModelDocument): Issues {
  if (tokens === undefined) return;
  const { blocks, blockTokens, policy, maxBatchedTokens } = tokens;
  if (blocks !== undefined && Math.ceil(most / blockTokens) > blocks) {
    const holds = blocks * blockTokens;
    yield issueAt(
      at,
      `${most} tokens, but the blocks of its model hold ${holds}`,
      `\`most: ${holds}\``,
    );
  }
  if (policy === "vllm-v0" && most > maxBatchedTokens) {
    const message = `${most} tokens, but ${policy} runs a prompt whole in ${maxBatchedTokens}`;
    yield issueAt(at, message, `\`most: ${maxBatchedTokens}\`, or more \`maxBatchedTokens\``);
  }
}

/** A device slot that serves a language model serves nothing else, in one stage and without faults. */
export function* checkEngines({
  pipelines,
  models,
  cluster,
}: Parts<"pipelines" | "models" | "cluster">): Issues {
  const tasks = tasksToPlace({ pipelines, models });
  const writers = new Set(
    tasks.flatMap(({ name, model }) => (models[model.name]?.tokens ? [name] : [])),
  );
  if (writers.size === 0) return;
  const { replicas } = placeReplicas(cluster, tasks);
  const onSlot = new Map<number, Set<string>>();
  for (const { task, slot, stages } of replicas) {
    for (const place of stages ?? [slot]) {
      onSlot.set(place, (onSlot.get(place) ?? new Set()).add(task));
    }
    if (stages !== null && writers.has(task)) {
      const hint = "give the step times of both devices together";
      yield issueAt("cluster.placement", `"${task}" cannot be served in stages`, hint);
    }
  }
  for (const hosted of onSlot.values()) {
    const own = [...hosted].find((task) => writers.has(task));
    const other = [...hosted].find((task) => task !== own);
    if (own === undefined || other === undefined) continue;
    const message = `"${own}" is a language model, whose device slot can host nothing else, not "${other}"`;
    yield issueAt("cluster.placement", message, "give it a device of its own");
    return;
  }
}

export function* checkTokensAndFaults({ models, faults }: Parts<"models" | "faults">): Issues {
  const writer = Object.entries(models).find(([, { tokens }]) => tokens !== undefined);
  if (faults === undefined || writer === undefined) return;
  const message = `faults of engines are not simulated yet, and model "${writer[0]}" has one`;
  yield issueAt("faults", message, "drop `faults`");
}
