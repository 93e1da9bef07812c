/**
 * The time that schedulers may expect of a language model: that of a sequence of the task's mean lengths which has the
 * engine to itself. A job's own follows from its lengths and from what runs beside it.
 */
import { ServiceModel } from "../../engine/service/service.ts";
import { meanOf, sumOf } from "../../engine/statistics/estimate.ts";
import type { TraceColumns } from "../reading/trace-columns.ts";
import type { PipelineDocument, TaskDocument } from "../schema/scenario.ts";
import { type EngineDocument, type StepProfiles, stepTimesOf } from "./engines.ts";
import { lengthsByRow } from "./trace-rows.ts";

/** Tokens; a task computes prompts, or makes tokens after the first, or both. */
interface Sequence {
  readonly prompt: number;
  readonly output: number;
  readonly prefills: boolean;
  readonly decodes: boolean;
}

/** By the speed of a device, which divides every time; all sequences count alike, and there is at least one. */
export function engineEstimate(
  document: EngineDocument,
  profiles: StepProfiles,
  sequences: readonly Sequence[],
): (speed: number) => ServiceModel {
  const times = stepTimesOf(document, profiles);
  const meanUs = meanOf(
    sequences.map(({ prompt, output, prefills, decodes }) => {
      const chunks = [{ tokens: Math.max(1, Math.round(prompt)), before: 0 }];
      const first = prefills ? times({ chunks, decodes: 0, context: 0, heads: 1 }) : 0;
      const context = prompt + output / 2;
      const each = decodes ? times({ chunks: [], decodes: 1, context, heads: 1 }) : 0;
      return first + Math.max(0, output - 1) * each;
    }),
  );
  return (speed) =>
    new ServiceModel({ kind: "constant" }, Float64Array.of(0, meanUs / speed), null);
}

/** Each pipeline that has the task gives one sequence. */
export function sequencesOf(
  task: string,
  pipelines: readonly PipelineDocument[],
  columns: TraceColumns,
): readonly Sequence[] {
  return pipelines.flatMap(({ tasks }) => {
    const own = tasks[task]?.tokens;
    if (own === undefined) return [];
    const from = "from" in own ? own.from : task;
    const isGoneOnWith = Object.values(tasks).some(
      ({ tokens }) => tokens !== undefined && "from" in tokens && tokens.from === task,
    );
    const { prompt, output } = lengthsOf(tasks, from, columns);
    return [{ prompt, output, prefills: from === task, decodes: !isGoneOnWith }];
  });
}

/** The means of what `most` leaves of each request. */
function lengthsOf(
  tasks: Readonly<Record<string, TaskDocument>>,
  task: string,
  columns: TraceColumns,
): { readonly prompt: number; readonly output: number } {
  const { tokens } = tasks[task];
  if (tokens === undefined) return { prompt: 0, output: 0 };
  if ("from" in tokens) return lengthsOf(tasks, tokens.from, columns);
  const earlier = sumOf(tokens.outputsOf.map((one) => lengthsOf(tasks, one, columns).output));
  const { most } = tokens;
  const [prompts, outputs] = [tokens.prompt, tokens.output].map((one) => {
    return lengthsByRow(one, columns, most);
  });
  const rows = Math.max(prompts.length, outputs.length);
  let [prompt, output] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const own = Math.min(most - 1, prompts[row % prompts.length] + earlier);
    prompt += own;
    output += Math.min(most - own, outputs[row % outputs.length]);
  }
  return { prompt: prompt / rows, output: output / rows };
}
