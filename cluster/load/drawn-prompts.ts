/** Texts for a language model, with prompts and answers as long as a scenario draws them. */
import { RequestDraws } from "../../engine/requests/draws.ts";
import { TokenLengths } from "../../engine/requests/token-lengths.ts";
import type { System } from "../../engine/system/system.ts";
import type { TextLengths } from "../protocol/hosted-models.ts";

export interface DrawnPrompt {
  readonly text: string;
  readonly maxTokens: number;
}

/** They are sent in turn, and go to the load generator in one message. */
const PROMPTS = 400;
/** Vocabularies of English have a token for each, with and without the space before it. */
const WORDS = (
  "the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were " +
  "when we there can an your which their said if do will each about how up out them then she many some so these would"
).split(" ");

/** For the last language model of the pipeline; null without one. */
export function drawnPrompts(
  system: System,
  name: string,
  seed: string,
): readonly DrawnPrompt[] | null {
  const pipeline = system.pipelines.findIndex((one) => one.name === name);
  const lengths = TokenLengths.for(system, seed);
  const task = system.pipelines[pipeline]?.tasks.findLastIndex(({ tokens }) => tokens !== null);
  if (lengths === null || task === undefined || task < 0) return null;
  const draws = new RequestDraws(system, seed);
  const flags = new Uint8Array(system.stride);
  const variates = new Float64Array(system.stride * draws.width);
  lengths.grow(system.stride);
  return Array.from({ length: PROMPTS }, (_, request) => {
    draws.draw(pipeline, 0, flags, variates);
    lengths.draw(pipeline, 0, flags);
    const { prompt, output } = lengths.jobs;
    return { text: textOf(prompt[task], request), maxTokens: output[task] };
  });
}

/** For a pipeline that is known by its gateway alone. */
export function evenPrompts({ prompt, output }: TextLengths): readonly DrawnPrompt[] {
  return Array.from({ length: PROMPTS }, (_, request) => ({
    text: textOf(prompt, request),
    maxTokens: output,
  }));
}

/** No two begin alike, so that no server has the beginning of one kept from another. */
function textOf(tokens: number, request: number): string {
  const { length } = WORDS;
  const turn = 1 + (Math.floor(request / length) % (length - 1));
  return Array.from({ length: tokens }, (_, i) => WORDS[(request + i * turn) % length]).join(" ");
}
