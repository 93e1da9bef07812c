/** The part of language models in the study's page. */
import { isDeepStrictEqual } from "node:util";
import type { Decision, EngineCase } from "../../results/which-scheduler.ts";
import { ALIKE, ENGINE_LOADS, ROWS, TOKEN_GOALS, WINDOWS } from "./engines.ts";
import { type CaseResult, memberOf } from "./field.ts";
import { IN_TIME } from "./knees.ts";
import { meanText, percent, pointsText, table } from "./markdown.ts";

const PROMPTS = { different: "prompts differ", alike: "prompts begin alike" } as const;
const CLIENTS = { one: "one client", several: "several" } as const;

const words = ({ prompts, clients, goal }: EngineCase): string =>
  [PROMPTS[prompts], CLIENTS[clients], goal].join(", ");

export function engineTable(rows: readonly Decision<EngineCase>[]): string[] {
  return table([
    ["language models, clients, SLO", "use", "ties", "in time", "over vllm", "loses when"],
    ...rows.map(({ case: of, use }) => {
      if (use === null) return [words(of), "none: more devices", "", "0%", "", ""];
      const { name, beside, goodput, overFifo, loses } = use;
      return [
        ...[words(of), `\`${name}\``, `${beside.length}`, `${pointsText(goodput)}%`],
        pointsText(overFifo),
        loses === null ? "" : `${loses.where}: \`${loses.to}\` ${(-loses.points.mean).toFixed(1)}`,
      ];
    }),
  ]);
}

const SAME = [
  "`sarathi` and `vllm` are the same in every digit, in all cases and windows: `vllm` is V1, which serves prompts in chunks, too, so that",
  "their orders are one unless their budgets of tokens differ.",
];

export function engineSection(results: readonly CaseResult<EngineCase>[]): string[] {
  const names = [...new Set(results.flatMap(({ members }) => members.map(({ arm }) => arm.name)))];
  const { tight, loose } = TOKEN_GOALS;
  const areSame = results.every((result) => {
    const [a, b] = ["vllm", "sarathi"].map((name) => memberOf(result, name)?.samples);
    return a !== undefined && isDeepStrictEqual(a, b);
  });
  const goals = (own: readonly CaseResult<EngineCase>[], name: string): string =>
    meanText(own.flatMap((result) => memberOf(result, name) ?? []));
  return [
    "## Language models",
    "",
    "Two engines of Llama-3.1-8B on RTX 4090 (measured times of its layers: `scenarios/models`) serve the first 2,000 requests of Azure's trace of",
    `conversations and 2,000 of half an hour later, in ${WINDOWS} windows of ${ROWS}, which are the replications. Three factors of two levels make 8 cases:`,
    "",
    `- **Prompts differ, or begin alike:** with the first ${ALIKE.length} tokens of one of ${ALIKE.groups} groups (assumed), which engines keep (\`prefixCaching\`).`,
    "- **One client, or several:** a quarter of the requests are of a patient pipeline with SLOs four times as long and the lower priority.",
    `- **Tight or loose SLO:** first token within ${tight.ttftMs} or ${loose.ttftMs} ms, each of the others within ${tight.tpotMs} or ${loose.tpotMs} ms in the mean.`,
    "",
    `Loads: ${ENGINE_LOADS.map((load) => percent(load)).join(", ")} of the requests per s that \`vllm\` serves of a window where all come at once. **In time**: goodput in percent of that, all`,
    `SLOs met, at the knee with ${percent(IN_TIME)} of all requests in time. **Over vllm**: paired difference to \`vllm\`, first come first served, with the router`,
    "`central`. `distserve` has one engine for prompts and one for tokens, 100 Gbit/s between them. A name with a comma is a policy of iterations and a router.",
    "",
    "Goodput at the knee, as the mean of the cases with its 95% interval over the windows, and **best**: in how many an arm is not shown to be worse than another.",
    "",
    ...table([
      ["scheduler", "all", "differ", "alike", "one client", "several", "tight", "loose", "best"],
      ...names.map((name) => {
        const by = (level: string) =>
          goals(
            results.filter(({ of }) => Object.values(of).includes(level)),
            name,
          );
        const own = results.flatMap((result) => memberOf(result, name) ?? []);
        return [
          `\`${name}\``,
          goals(results, name),
          ...["different", "alike", "one", "several", "tight", "loose"].map(by),
          `${own.filter(({ isBest }) => isBest).length} of ${own.length}`,
        ];
      }),
    ]),
    ...(areSame ? ["", ...SAME] : []),
  ];
}
