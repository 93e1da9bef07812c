/** Checks of language models: lengths where a model needs them, room for its sequences, and terms that go with it. */

import { meanOf, sumOf } from "../../engine/statistics/estimate.ts";
import { placeReplicas, tasksToPlace, variantsOf } from "../compile/placement.ts";
import { didYouMean, type Issues, issueAt } from "../reading/issues.ts";
import { taskColumns } from "../reading/trace-columns.ts";
import { earlyNames, namesAfter } from "../schema/edges.ts";
import type { ModelDocument, Parts } from "../schema/scenario.ts";
import type { LengthsDocument } from "../schema/tokens.ts";

/** A task has lengths where its model is served in iterations, and only there. */
export function* checkLengths({ pipelines, models }: Parts<"pipelines" | "models">): Issues {
  for (const [pipeline, { tasks, discipline, slo }] of Object.entries(pipelines)) {
    for (const key of ["ttftMs", "tpotMs"] as const) {
      if (slo?.[key] === undefined) continue;
      const message = neverJudged(tasks, key);
      if (message !== null) yield issueAt(`pipelines.${pipeline}.slo.${key}`, message, "drop it");
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
      const [{ model: served }] = writers;
      const model = models[served];
      if ("from" in task.tokens) yield* checkContinuation(at, name, tasks, served, models);
      else {
        yield* checkRoom(task.tokens.most, `"${name}" of ${pipeline}`, served, models);
        yield* checkContext(`${at}.tokens.most`, task.tokens.most, model);
        yield* checkMost(at, task.tokens, tasks);
        yield* checkPrefix(at, task.tokens);
        if (model.tokens?.policy === "distserve-decode") {
          const message = `${model.tokens.policy} makes the tokens after the first, and this task has prompts of its own`;
          const hint = "`tokens: { from: TASK }`, or a model with another policy";
          yield issueAt(`${at}.model`, message, hint);
        }
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
type Models = Parts<"models">["models"];

function continues({ tokens }: Tasks[string], task: string): boolean {
  return tokens !== undefined && "from" in tokens && tokens.from === task;
}

/** Why no request of these tasks can miss the goal; null where one can. */
function neverJudged(tasks: Tasks, goal: "ttftMs" | "tpotMs"): string | null {
  const named = Object.entries(tasks);
  const writers = named.filter(([, { tokens }]) => tokens !== undefined);
  if (writers.length === 0) return "no task of the pipeline writes tokens";
  const followersOf = (writer: string) =>
    named.filter(([, task]) => {
      return namesAfter(task).includes(writer) && !earlyNames(task).includes(writer);
    });
  const isSure = ([name, { when }]: (typeof named)[number]): boolean =>
    when === undefined && named.every(([, { cache }]) => !cache?.skips.includes(name));
  const followers = writers.map(([name]) => followersOf(name));
  if (followers.every((all) => all.some(isSure))) {
    return "no client reads what a language model writes: other tasks always follow";
  }
  if (goal === "ttftMs" || followers.some((all) => all.length === 0)) return null;
  return "texts come whole where other tasks may follow, so no client waits for single tokens";
}

/** It follows the task that it goes on with, always, and none else. */
function* checkContinuation(
  at: string,
  name: string,
  tasks: Tasks,
  model: string,
  models: Models,
): Issues {
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
  yield* checkRoom(first.most, `"${from}", which "${name}" goes on with,`, model, models);
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

/** Lengths that are cut in every request, or in most of them, are not meant. Rows of a trace are only counted. */
function* checkMost(at: string, tokens: LengthsDocument, tasks: Tasks): Issues {
  const { prompt, outputsOf, output, most } = tokens;
  // Where its condition does not hold, the prompt is shorter.
  const sure = outputsOf.filter((name) => tasks[name]?.when === undefined);
  const earlier = sure.flatMap((name) => {
    const own = tasks[name]?.tokens;
    return own !== undefined && "prompt" in own ? [own.output] : [];
  });
  const parts = [prompt, ...earlier, output];
  const sum = Math.round(sumOf(parts.map((one) => meanTokens(one) ?? 1)));
  if (sum <= most) return;
  const isMean = parts.some((one) => typeof one === "object" && !("column" in one));
  const have = isMean ? "have on average" : "have";
  const message = `prompt and output ${have} ${sum} tokens, but \`most\` cuts them to ${most}`;
  yield issueAt(`${at}.tokens.most`, message, `\`most: ${sum}\` or more, or shorter lengths`);
}

/** Undefined for rows of a trace. */
function meanTokens(length: LengthsDocument["prompt"]): number | undefined {
  if (typeof length === "number") return length;
  if ("column" in length) return undefined;
  return length.distribution === "empirical" ? meanOf(length.samples) : length.mean;
}

/** Prompts hold the tokens that all of a group begin with. */
function* checkPrefix(at: string, { prompt, outputsOf, prefix }: LengthsDocument): Issues {
  if (prefix === undefined || "column" in prefix || outputsOf.length > 0) return;
  const mean = meanTokens(prompt);
  if (mean === undefined || prefix.length <= mean) return;
  const have = typeof prompt === "number" ? "have" : "have on average";
  const message = `prompts begin with the same ${prefix.length} tokens, but ${have} ${mean}`;
  yield issueAt(`${at}.tokens.prefix.length`, message, `at most ${Math.floor(mean)}`);
}

/** The longest sequence must fit, or it would wait for ever. */
function* checkRoom(most: number, whose: string, model: string, models: Models): Issues {
  const { tokens } = models[model];
  if (tokens === undefined) return;
  const at = `models.${model}.tokens`;
  const { blocks, blockTokens, policy, maxBatchedTokens } = tokens;
  if (blocks !== undefined && Math.ceil(most / blockTokens) > blocks) {
    const holds = blocks * blockTokens;
    const message = `they hold ${holds} tokens, but a sequence of ${whose} may have ${most}`;
    yield issueAt(`${at}.blocks`, message, `\`most: ${holds}\` there, or more blocks`);
  }
  const isWhole = policy === "vllm-v0" || policy === "distserve-prefill";
  if (isWhole && most > maxBatchedTokens) {
    const message = `${policy} runs a prompt whole in ${maxBatchedTokens} tokens, but one of ${whose} may have ${most}`;
    const hint = `\`most: ${maxBatchedTokens}\` there, or more \`maxBatchedTokens\``;
    yield issueAt(`${at}.maxBatchedTokens`, message, hint);
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

/** Terms of language models that do not go together, whoever calls them. */
export function* checkEngineTerms({ models }: Parts<"models">): Issues {
  for (const [name, { tokens }] of Object.entries(models)) {
    if (tokens === undefined) continue;
    const at = `models.${name}.tokens`;
    if (tokens.llama !== undefined && tokens.external !== undefined) {
      const message = "both `llama` and `external`: expected one of them";
      yield issueAt(`${at}.external`, message);
    }
    const { policy, maxSequences, maxBatchedTokens, steps } = tokens;
    // Where only prompts run, the longest needs room, not one token of each.
    if (policy !== "distserve-prefill" && maxBatchedTokens < maxSequences) {
      const message = `${maxBatchedTokens} tokens of an iteration are too few for a token of each of ${maxSequences} sequences`;
      const hint = `\`maxSequences: ${maxBatchedTokens}\`, or more \`maxBatchedTokens\``;
      yield issueAt(`${at}.maxBatchedTokens`, message, hint);
    }
    if (typeof steps !== "string" && Object.values(steps).flat().every(isZero)) {
      const message = "iterations take no time: all their times are 0";
      yield issueAt(`${at}.steps`, message, "measured ones, or a step profile");
    }
  }
}

function isZero(time: unknown): boolean {
  return time === 0 || time === undefined;
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
