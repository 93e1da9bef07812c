/** Checks of language models: lengths where a model needs them, room for its sequences, and terms that go with it. */

import { placeReplicas, tasksToPlace, variantsOf } from "../compile/placement.ts";
import { didYouMean, type Issues, issueAt } from "../reading/issues.ts";
import { taskColumns } from "../reading/trace-columns.ts";
import { namesAfter } from "../schema/edges.ts";
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
      const model = models[writers[0].model];
      if ("from" in task.tokens) yield* checkContinuation(at, name, tasks, model);
      else {
        yield* checkRoom(`${at}.tokens.most`, task.tokens.most, model);
        yield* checkContext(`${at}.tokens.most`, task.tokens.most, model);
      }
      const isContinued = Object.values(tasks).some((other) => continues(other, name));
      if (model.tokens?.policy === "distserve-prefill" && !isContinued) {
        const message = `${model.tokens.policy} makes first tokens alone, and no task goes on with them`;
        yield issueAt(`${at}.model`, message, `a task with \`tokens: { from: ${name} }\``);
      }
    }
    yield* checkFirstTokens(pipeline, tasks);
    yield* checkOutputs(pipeline, tasks);
  }
}

type Tasks = Parts<"pipelines">["pipelines"][string]["tasks"];

function continues({ tokens }: Tasks[string], task: string): boolean {
  return tokens !== undefined && "from" in tokens && tokens.from === task;
}

/** It follows the task that it goes on with, always, and none else. */
function* checkContinuation(at: string, name: string, tasks: Tasks, model: ModelDocument): Issues {
  const { when, cache, tokens } = tasks[name];
  if (tokens === undefined || !("from" in tokens)) return;
  const { from } = tokens;
  const first = tasks[from]?.tokens;
  if (first === undefined || "from" in first) {
    const writers = Object.keys(tasks).filter((one) => "prompt" in (tasks[one].tokens ?? {}));
    const hint = didYouMean(from, writers);
    yield issueAt(`${at}.tokens.from`, `"${from}" is no task with lengths`, hint);
    return;
  }
  yield* checkRoom(`${at}.tokens`, first.most, model);
  const after = namesAfter(tasks[name]);
  if (after.length !== 1 || after[0] !== from) {
    yield issueAt(`${at}.after`, "a task that goes on with another follows it alone", `[${from}]`);
  }
  const others = Object.keys(tasks).filter((one) => one !== name && continues(tasks[one], from));
  if (others.length > 0) {
    yield issueAt(`${at}.tokens.from`, `"${others[0]}" goes on with "${from}" as well`);
  }
  const skips = Object.values(tasks).some((task) => task.cache?.skips.includes(name));
  if (when !== undefined || cache !== undefined || skips) {
    const message = `it goes on with "${from}" for every request: no \`when\` and no cache`;
    yield issueAt(at, message);
  }
}

/** A prompt holds outputs of tasks before it. */
function* checkOutputs(pipeline: string, tasks: Tasks): Issues {
  const before = (task: string, found = new Set<string>()): ReadonlySet<string> => {
    for (const one of tasks[task] === undefined ? [] : namesAfter(tasks[task])) {
      if (!found.has(one)) before(one, found.add(one));
    }
    return found;
  };
  for (const [name, { tokens }] of Object.entries(tasks)) {
    if (tokens === undefined || "from" in tokens) continue;
    for (const [index, one] of tokens.outputsOf.entries()) {
      const at = `pipelines.${pipeline}.tasks.${name}.tokens.outputsOf.${index}`;
      const earlier = [...before(name)].filter((task) => "prompt" in (tasks[task]?.tokens ?? {}));
      if (earlier.includes(one)) continue;
      const hint = didYouMean(one, earlier);
      yield issueAt(at, `"${one}" is no task before this one with lengths`, hint);
    }
  }
}

function* checkFirstTokens(pipeline: string, tasks: Tasks): Issues {
  for (const [name, { after }] of Object.entries(tasks)) {
    for (const [index, edge] of after.entries()) {
      if (typeof edge === "string" || "prompt" in (tasks[edge.task]?.tokens ?? {})) continue;
      const at = `pipelines.${pipeline}.tasks.${name}.after.${index}.at`;
      yield issueAt(at, `"${edge.task}" makes no first token`, "a task with lengths of `tokens`");
    }
  }
}

/** Lengths and conditions by column are those of the trace that the workload plays. */
export function* checkTraceColumns({
  pipelines,
  workload,
}: Parts<"pipelines" | "workload">): Issues {
  if (workload.arrivals === "trace") return;
  const message = `a column of a trace, but arrivals are ${workload.arrivals}`;
  for (const { at, kind } of taskColumns(pipelines)) {
    const other = kind === "condition" ? "`probability` alone" : "a number or distribution here";
    yield issueAt(at, message, `\`arrivals: trace\`, or ${other}`);
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
  const isWhole = policy === "vllm-v0" || policy === "distserve-prefill";
  if (isWhole && most > maxBatchedTokens) {
    const message = `${most} tokens, but ${policy} runs a prompt whole in ${maxBatchedTokens}`;
    yield issueAt(at, message, `\`most: ${maxBatchedTokens}\`, or more \`maxBatchedTokens\``);
  }
}

/** A real sequence has a slice of its own, whose last token is never used. */
function* checkContext(at: string, most: number, { tokens }: ModelDocument): Issues {
  const llama = tokens?.llama;
  if (llama === undefined || most < llama.contextTokens) return;
  const { contextTokens } = llama;
  const message = `${most} tokens, but \`llama.contextTokens\` has room for ${contextTokens - 1}`;
  yield issueAt(at, message, `\`most: ${contextTokens - 1}\`, or a larger context`);
}

export function* checkLlama({ models }: Parts<"models">): Issues {
  for (const [name, { tokens }] of Object.entries(models)) {
    if (tokens?.llama === undefined || tokens.external === undefined) continue;
    const message = "both `llama` and `external`: expected one of them";
    yield issueAt(`models.${name}.tokens.external`, message);
  }
}

/** A device slot serves one language model on one replica, in one stage, and others beside it without time slices. */
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
  const { replicas, nodes, slots } = placeReplicas(cluster, tasks);
  const onSlot = new Map<number, string>();
  for (const { task, slot, stages } of replicas) {
    if (!writers.has(task)) continue;
    if (stages !== null) {
      const hint = "give the step times of both devices together";
      yield issueAt("cluster.placement", `"${task}" cannot be served in stages`, hint);
    }
    const other = onSlot.get(slot);
    onSlot.set(slot, task);
    const { node, kind } = slots[slot];
    const { sharing } = nodes[node].devices[kind];
    if (other !== undefined) {
      const both = other === task ? `two replicas of "${task}"` : `"${other}" and "${task}"`;
      const message = `${both} on one device slot, which serves one language model`;
      yield issueAt("cluster.placement", message, "give each a device of its own");
      return;
    }
    if (sharing?.kind === "time-slice") {
      const message = `"${task}" runs in iterations, whose device takes no turns of a quantum`;
      yield issueAt("cluster.placement", message, "`sharing: { kind: processor-sharing }`");
      return;
    }
  }
}

/** Engines crash; they are not slow, nor cut off from their clients, and keep nothing for others then. */
export function* checkTokensAndFaults({
  pipelines,
  faults,
}: Parts<"pipelines" | "faults">): Issues {
  const writers = Object.values(pipelines)
    .flatMap(({ tasks }) => Object.entries(tasks))
    .flatMap(([name, { tokens }]) => (tokens === undefined ? [] : [{ name, tokens }]));
  if (faults === undefined || writers.length === 0) return;
  const apart = writers.find(({ tokens }) => "from" in tokens);
  if (apart !== undefined) {
    const message = `"${apart.name}" goes on with another's sequences, for which faults are not simulated yet`;
    yield issueAt("faults", message, "drop `faults`");
  }
  const { random, scheduled } = faults;
  for (const [list, entries] of Object.entries({ random, scheduled })) {
    for (const [index, { kind, node, task, replica }] of entries.entries()) {
      const isHit = ({ name }: { readonly name: string }): boolean =>
        task === name || (replica?.startsWith(`${name}-`) ?? false);
      if (kind === "crash" || !(node !== undefined || writers.some(isHit))) continue;
      const hit = node === undefined ? "a language model" : "a node, which may host one,";
      const message = `${hit} can only crash: expected crash, got ${kind}`;
      yield issueAt(`faults.${list}.${index}.kind`, message, "models without `tokens` can have it");
    }
  }
}
