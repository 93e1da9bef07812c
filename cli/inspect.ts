/**
 * Commands that look and run nothing: `tandem check` at a scenario, `tandem schedulers` at presets and policies,
 * `tandem doctor` at this machine.
 */

import { styleText } from "node:util";
import { stringify } from "yaml";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import type { Estimate } from "../engine/statistics/estimate.ts";
import {
  check as checked,
  doctor as examine,
  type Finding,
  placeGroups,
  type TriedScheduler,
  type WhichScheduler,
  whichScheduler,
} from "../library/index.ts";
import { plural, wrapped } from "../reports/tables/format.ts";
import { tableOf } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";
import type { AnyCase, Factor, Level } from "../results/which-scheduler.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import { DECISIONS } from "../scenario/schema/scheduler.ts";
import {
  type Catalogue,
  catalogue,
  catalogueOf,
  type Explanation,
  explainIterations,
  explainPolicy,
  explainPreset,
  partAbout,
} from "../schedulers/catalogue.ts";
import { columns, MOST_COLUMNS, print } from "./command-line.ts";
import { untilInterrupted } from "./failure.ts";
import type { Arguments, CHECK, SCENARIO, SCHEDULER, SCHEDULERS } from "./options.ts";
import { loadScenario } from "./scenario-file.ts";

type CheckArguments = Arguments<typeof SCENARIO, typeof CHECK>;

/** Prints whether a scenario is sound. With --json the issues are the answer, so they are on stdout too. */
export async function check(args: CheckArguments): Promise<void> {
  try {
    await checkScenario(args);
  } catch (error) {
    if (args.json && error instanceof Fault) {
      print(true, { ...HEAD, valid: false, issues: issuesOf(error) }, "");
    }
    throw error;
  }
}

async function checkScenario(args: CheckArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const { configurations, isSampled, notes, plays } = await untilInterrupted(
    () => checked(loaded, args),
    () => "",
  );
  const played = Object.entries(plays);
  const { digest, document } = loaded;
  const found = {
    valid: true,
    issues: [],
    ...((args.on !== undefined || notes.length > 0) && { notes }),
    name: document.name,
    digest,
    configurations,
    ...(played.length > 0 && { plays }),
  };
  const some = isSampled ? `looked at ${configurations}` : `${configurations}`;
  const count = configurations === 1 ? "one configuration" : `${some} configurations`;
  const lines = [
    `${args.scenario}: ${styleText("green", "sound")}; ${count}; digest ${digest}`,
    ...notes,
    ...played.map(([file, runs]) => `${file}: keeps the contract in ${runsText(runs)}`),
  ];
  print(args.json, { ...HEAD, ...found }, lines.join("\n"));
}

/** A busy host has time for fewer. */
function runsText(runs: number): string {
  return `${plural(runs, "random run")}: those of 2.5 s, at most 300 of a scheduler`;
}

const HEAD = { schema: "tandem/check@1" };

/** A file that is missing or too large has no lines to point at: its fault is the one issue. */
function issuesOf({ issues, message, hint }: Fault): readonly Issue[] {
  if (issues.length > 0) return issues;
  return [{ path: "", message, ...(hint === undefined ? {} : { hint }) }];
}

type SchedulersArguments = Arguments<typeof SCHEDULER, typeof SCHEDULERS>;

/** All presets and policies in a line each, one in full, or the one for a scenario, or its placement. */
export async function schedulers({ name, json, for: asked, place, set }: SchedulersArguments) {
  const given = [name, asked, place].filter((one) => one !== undefined);
  if (given.length > 1) {
    throw new Fault("usage", "give one of a name, --for and --place", {
      hint: "`tandem schedulers NAME` explains one",
    });
  }
  if (asked !== undefined) {
    const loaded = await loadScenario({ scenario: asked, set });
    const which = await untilInterrupted((signal) => whichScheduler(loaded, { signal }));
    return print(json, which, whichText(which));
  }
  if (place !== undefined) {
    const loaded = await loadScenario({ scenario: place, set });
    const placed = await untilInterrupted((signal) => placeGroups(loaded, { signal }));
    const notes = placed.notes?.map((note) => `# note: ${note}`) ?? [];
    const groups = placed.tried.map(({ sizes, sloAttainmentRatio, latencyMeanMs }) => {
      const share = (100 * sloAttainmentRatio).toFixed(1);
      const own = Object.entries(sizes).map(([node, each]) => `${node} in ${each.join(" + ")}`);
      return `# ${own.join(", ")}: ${share}% in time, ${latencyMeanMs.toFixed(1)} ms in the mean`;
    });
    const head = [...groups, ...notes].join("\n");
    return print(json, placed, `${head}\n${stringify(placed.scenario)}`.trimEnd());
  }
  const found = name === undefined ? catalogue() : catalogueOf(name);
  print(json, found, (name === undefined ? listText(found) : fullText(found)).trimEnd());
}

/** The terminal names so many that are as good; the study has the others. */
const FEW = 4;

/** The scheduler to use, how it does there, the study's row and why it fits, and how to check it. */
function whichText(which: WhichScheduler): string {
  const { factors, decision, values, refused, instead, tried, answer, command } = which;
  const { notes = [], leftOut = {} } = which;
  const { use, case: of } = decision;
  const why = Object.values<Factor<Level>>(factors).map(({ level, reason }): [string, string] => [
    levelText(of, level),
    reason,
  ]);
  const because = block("in this scenario", why).trimEnd();
  const remarks = notes.map((note) => wrapped(`note: ${note}`, MOST_COLUMNS));
  if (use === null)
    return [
      `no scheduler of the study keeps such an SLO: more devices\n${because}`,
      ...remarks,
    ].join("\n");
  const set = Object.entries(values ?? {}).map(([path, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `--set ${shellWord(`${path}=${text}`)}`;
  });
  const own = block(answer === undefined ? `do not use ${use.name}` : `use ${answer}`, [
    ...(answer === undefined ? [] : [["as", set.join(" ") || APART] as [string, string]]),
    ...(tried === undefined ? [] : triedText(tried, instead ?? use.name, answer)),
    ...Object.entries(leftOut).map(([name, reason]): [string, string] => [
      "not tried",
      `${name}, which is as good in the study: ${reason}`,
    ]),
  ]);
  const taken = instead === undefined ? "" : `; ${instead} is as good in the study`;
  const checks = [
    ...remarks,
    ...(refused === undefined
      ? []
      : [wrapped(`this scenario does not take ${use.name}: ${refused}${taken}`, MOST_COLUMNS)]),
    ...(command === undefined
      ? []
      : [`compare them by their requests within the SLO, on this scenario:\n  ${command}`]),
  ];
  return `${own}${studyText(decision)}${because}\n${checks.join("\n")}`;
}

const APART = "engines for prompts and others for tokens: scenarios/prefill-apart.yaml shows how";

/** How the row's scheduler, and those beside it, do on the scenario. */
function triedText(
  tried: NonNullable<WhichScheduler["tried"]>,
  own: string,
  answer: string | undefined,
): [string, string][] {
  if (typeof tried === "string") return [["tried here", `no: ${tried}`]];
  const [{ name: first }] = tried;
  const figures = tried.map(({ name, inTime, overFirst }, i) => {
    const over = i === 0 ? "" : `, ${pointsText(overFirst)} over ${first}`;
    return `${name} ${inTime.mean}%${over}`;
  });
  const chosen = tried.find(({ name }) => name === answer) ?? tried[0];
  const equals = tried.filter(({ slo }) => slo === chosen.slo);
  const more = equals.filter(({ inTime }) => inTime.mean > chosen.inTime.mean);
  const tied = `more in time than ${answer}, but not shown to be more than 1% better: a tie`;
  const last = answer === first ? ", of which the simplest is taken" : "";
  return [
    ["tried here", verdictText(tried, chosen, own)],
    ["in time here", figures.join("; ")],
    ...Object.entries(SLO_STATES).flatMap(([state, label]): [string, string][] => {
      const some = tried.filter(({ slo }) => slo === state);
      return some.length === 0 ? [] : [[label, namesText(some)]];
    }),
    ...(more.length === 0 ? [] : [["passed over", `${namesText(more)}: ${tied}${last}`]]),
  ] as [string, string][];
}

/** Why the answer goes before the study's choice, or before the others. */
function verdictText(
  tried: readonly TriedScheduler[],
  chosen: TriedScheduler,
  own: string,
): string {
  const mine = tried.find(({ name }) => name === own) ?? chosen;
  const others = tried.filter((one) => one !== chosen);
  const behind = others.filter(({ slo }) => slo !== chosen.slo);
  const does = chosen.slo === "meets" ? "keeps the SLO" : "is not shown to miss the SLO";
  if (mine !== chosen) {
    const isEqual = mine.slo === chosen.slo;
    const verb = mine.isBest && isEqual ? "is no better" : "does worse";
    const because = isEqual ? "" : `: ${chosen.name} ${does}`;
    return `${own}, the study's choice, ${verb} than ${chosen.name}${because}`;
  }
  if (behind.length === 0)
    return `${chosen.name} is not shown to be worse than ${plural(others.length, "other")}`;
  return `${chosen.name} ${does}, so it goes before ${plural(behind.length, "other")} that ${behind.length === 1 ? "is" : "are"} not shown to`;
}

const SLO_STATES: Readonly<Record<TriedScheduler["slo"], string>> = {
  meets: "SLO kept",
  unclear: "SLO unclear",
  misses: "SLO missed",
};

const namesText = (some: readonly TriedScheduler[]): string =>
  some.map(({ name }) => name).join("; ");

const pointsText = ({ mean, halfWidth95 }: Estimate): string => `${mean} ± ${halfWidth95} points`;

/** The row of the table. */
function studyText({ case: of, use }: WhichScheduler["decision"]): string {
  if (use === null) return "";
  const { name, policy, goodput, overFifo, beside, loses } = use;
  const some = beside.slice(0, FEW).join("; ");
  const ties = beside.length > FEW ? `${beside.length}: ${some}…` : some;
  return block(`the study's choice in such a case: ${name}`, [
    ["serves in time", `${goodput.mean}% of the devices' capacity, 90% of requests in time`],
    [policy === undefined ? "over fifo" : "over vllm", pointsText(overFifo)],
    ["as good", ties || "none"],
    [
      "loses when",
      loses === null
        ? "one factor changed: nowhere in the study"
        : `${levelText(of, loses.where)}: ${loses.to} is better by ${pointsText({ ...loses.points, mean: -loses.points.mean })}`,
    ],
    ["with other models", elsewhereText(use)],
  ]);
}

const LEVELS: Readonly<Record<Level, string>> = {
  batches: "batches gain",
  single: "batches gain little",
  one: "requests of one task",
  chain: "tasks in a row",
  own: "devices of their own",
  shared: "shared devices",
  tight: "a tight SLO",
  loose: "a loose SLO",
  steady: "steady arrivals",
  bursty: "bursty arrivals",
  different: "prompts differ",
  alike: "prompts begin alike",
  several: "several clients",
};

const levelText = (of: AnyCase, level: Level): string =>
  "prompts" in of && level === "one" ? "one client" : LEVELS[level];

/** How the study's row does in the same case with models that it was not made from. */
function elsewhereText({ elsewhere }: NonNullable<WhichScheduler["decision"]["use"]>): string {
  if (elsewhere === undefined) return "the study has not tried it";
  const { models, holds, goodput, best, behind } = elsewhere;
  const there = `${goodput.mean}% there, with ${models}`;
  if (holds) return `not shown to be worse than another: ${there}`;
  const more = `${behind.mean} ± ${behind.halfWidth95} points more`;
  return `it does not carry over: ${there}, where ${best} has ${more}`;
}

function listText({ presets, policies, iterations }: Catalogue): string {
  const groups = [
    { title: "presets: --set scheduler=NAME", entries: presets },
    ...DECISIONS.map((decision) => ({
      title: `${decision}: ${partAbout(decision)}`,
      entries: policies.filter((policy) => policy.decision === decision),
    })),
    { title: "iterations of language models: models.NAME.tokens.policy", entries: iterations },
  ];
  const blocks = groups.map(({ title, entries }) =>
    block(
      title,
      entries.map(({ name, summary }) => [name, summary]),
    ),
  );
  const example = "--set 'scheduler={routing: random, ordering: edf}' takes one of each decision";
  return `${blocks.join("\n")}\n${example}\n\`tandem schedulers NAME\` explains one\n`;
}

function fullText({ presets, policies, iterations }: Catalogue): string {
  return [
    ...presets.map((preset) =>
      block(`${preset.name} (preset): ${preset.summary}`, explainPreset(preset)),
    ),
    ...policies.map((policy) =>
      block(`${policy.name} (${policy.decision}): ${policy.summary}`, explainPolicy(policy)),
    ),
    ...iterations.map((one) =>
      block(`${one.name} (iterations): ${one.summary}`, explainIterations(one)),
    ),
  ].join("\n");
}

/** A title, and below it labels with texts beside them. */
function block(title: string, points: Explanation): string {
  const width = Math.max(...points.map(([label]) => label.length));
  const lines = points.map(([label, text]) => {
    // An option is there to be copied: it stays whole.
    const columns = text.startsWith("--") ? Number.POSITIVE_INFINITY : MOST_COLUMNS - width - 4;
    const [first, ...rest] = wrapped(text, columns).split("\n");
    const more = rest.map((line) => `\n${" ".repeat(width + 4)}${line}`);
    return `  ${label.padEnd(width)}  ${first}${more.join("")}\n`;
  });
  return `${title}\n${lines.join("")}`;
}

/** Prints the parts that work on this machine. */
export async function doctor({ json }: { readonly json: boolean }): Promise<void> {
  const checks = await examine();
  print(json, { schema: "tandem/doctor@1", checks }, doctorText(checks, columns()));
  requireEssential(checks);
}

/** Throws Fault("not-found") where something is missing without which nothing works. */
export function requireEssential(checks: readonly Finding[]): void {
  const missing = checks.filter(({ state }) => state === "missing");
  if (missing.length === 0) return;
  throw new Fault("not-found", `missing: ${missing.map(({ name }) => name).join(", ")}`, {
    hint: missing.map(({ hint }) => hint).join("; "),
  });
}

const COLOURS = {
  ok: { state: "good" },
  doubtful: { state: "warn" },
  absent: {},
  missing: { state: "bad" },
} as const;

export function doctorText(checks: readonly Finding[], width: number): string {
  const table = tableOf("", checks, [
    ["part", ({ name }) => ({ text: name })],
    ["state", ({ state }) => ({ text: state, ...COLOURS[state] })],
    ["found", ({ found }) => ({ text: found })],
    ["purpose", ({ purpose }) => ({ text: purpose })],
  ]);
  const hints = checks.flatMap(({ name, hint }) =>
    hint === undefined ? [] : [`${name}: ${hint}`],
  );
  return [
    tableText(table, width),
    ...(hints.length === 0 ? [] : ["", "for what is not ok, if you need its purpose:", ...hints]),
  ].join("\n");
}
