/** docs/fidelity.md, made from the study's findings: each aim beside its figure, reached or not, and every validation. */

import type { MetricName } from "../../engine/metrics/figures.ts";
import { meanOf, medianOf } from "../../engine/statistics/estimate.ts";
import type { Verdict } from "../../results/validation.ts";
import { KILLED_CASES } from "./killed-workers.ts";
import { ENGINE_CASES } from "./real-engines.ts";
import { MODEL_CASES } from "./real-models.ts";
import { REPLAYED_CASES } from "./replayed.ts";
import { DEMOS, type Finding, type StudyCase } from "./study-case.ts";

export function fidelityPage(
  findings: readonly Finding[],
  seedSection: string,
  tokenSection: string,
): string {
  const of = (part: string): Finding[] => findings.filter((one) => one.part === part);
  const isWrong = ({ wrong }: StudyCase): boolean => wrong !== undefined;
  const isRight = (one: StudyCase): boolean => !isWrong(one);
  const machines = [...new Set(findings.map(({ machine }) => machine))].join("; ");
  const sections = [
    "# How well predictions hold",
    `\`npm run study:fidelity -- --page docs/fidelity.md\` makes this page, of all validations so far: a row each, none left out. ` +
      `_cannot tell_ means that host or load generator were not fit, or that the interval is too wide for a verdict. Machine: ${machines}.`,
    replayedSection(of("replayed")),
    modelsSection(
      "Real models, calibrated as users do",
      "at most one false _disagrees_; at least seven of twelve _agrees_; from the times between the blocks: median error of the mean ≤ 3 %, of p99 ≤ 8 %",
      of("models").filter(isRight),
      MODEL_CASES.filter(isRight).length,
    ),
    modelsSection(
      "Real models with something wrong",
      "_disagrees_ in all but one of six falsified profiles and in all but one of four wrong structures, and the cause named",
      of("models").filter(isWrong),
      MODEL_CASES.filter(isWrong).length,
    ),
    enginesSection(of("engines")),
    killedSection(of("killed")),
    demoSection(of("demo"), DEMOS.length),
    seedSection === "" ? "" : `## The seed project's load test\n\n${seedSection}`,
    tokenSection,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function killedSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  return [
    "## Workers killed and restarted",
    `Workers of real runs on replayed times are killed at instants that the simulator knows; how long a restart takes is measured in the first run, which is not judged. To reach: goodput within 3 %, p99 within 15 %. ${findings.length} of ${KILLED_CASES.length} so far.`,
    validationsTable(findings),
  ].join("\n\n");
}

function replayedSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const mean = errorsOf(findings, "latencyMeanMs");
  const p99 = errorsOf(findings, "latencyP99Ms");
  const within = p99.filter((error) => error <= 0.06).length / Math.max(1, p99.length);
  const attainment = findings.flatMap(({ outcome: { attainment: one } }) =>
    one === undefined ? [] : [Math.abs(one.predicted - one.measured)],
  );
  return [
    "## Replayed times",
    `Random pipelines and shapes; real runs pass the simulator's own service times. ${findings.length} of ${REPLAYED_CASES.length} validations so far: ${verdictsOf(findings)}.`,
    table(
      ["figure", "found", "to reach"],
      [
        ["median error of the mean", percent(medianOf(mean)), "≤ 1 %"],
        ["median error of p99", percent(medianOf(p99)), "≤ 3 %"],
        ["p99 within 6 %", percent(within), "≥ 90 %"],
        [
          "attainment off by, on average",
          `${(100 * meanOf(attainment)).toFixed(2)} points`,
          "≤ 0.4",
        ],
      ],
    ),
    validationsTable(findings),
  ].join("\n\n");
}

function modelsSection(
  title: string,
  aim: string,
  findings: readonly Finding[],
  cases: number,
): string {
  if (findings.length === 0) return "";
  const stored = (name: MetricName): string => percent(medianOf(errorsOf(findings, name)));
  const own = (name: MetricName): string => percent(medianOf(errorsOf(findings, name, "ownError")));
  const soFar = `To reach: ${aim}. ${findings.length} of ${cases} validations so far: ${verdictsOf(findings)}.`;
  const medians = `Median error of the mean from the stored profiles ${stored("latencyMeanMs")}, from the times between the blocks ${own("latencyMeanMs")}; of p99 ${stored("latencyP99Ms")} and ${own("latencyP99Ms")}.`;
  return [
    `## ${title}`,
    findings.length === 0 ? soFar : `${soFar} ${medians}`,
    validationsTable(findings),
  ].join("\n\n");
}

function enginesSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const right = findings.filter(({ wrong }) => wrong === undefined);
  const figure = (shown: string, metric: MetricName, aim: string): string[] => {
    const errors = errorsOf(right, metric);
    const stored = right.flatMap(({ outcome: { iterations } }) =>
      Math.abs(iterations?.storedError[metric] ?? 0),
    );
    const ends = [
      medianOf(errors),
      Math.max(0, ...errors),
      medianOf(stored),
      Math.max(0, ...stored),
    ];
    return [shown, ...ends.map(percent), aim];
  };
  return [
    "## A language model on its real engine",
    `SmolLM2-135M on llama.cpp, one thread, its iterations calibrated before each validation; the other models of the pipelines are replayed. Each run is predicted at the pace of its own iterations. In \`other-policy\` the cluster has another policy of iterations than the prediction, which must be found. ${findings.length} of ${ENGINE_CASES.length} validations so far: ${verdictsOf(findings)}.`,
    ...(right.length === 0
      ? []
      : [
          table(
            [
              ...["figure", "median error", "worst"],
              ...["median, from the profile alone", "worst", "to reach"],
            ],
            [
              figure("TPOT", "tpotMeanMs", "≤ 5 %"),
              figure("TTFT", "ttftMeanMs", "≤ 10 %"),
              figure("latency", "latencyMeanMs", "≤ 10 %"),
            ],
          ),
        ]),
    validationsTable(findings),
  ].join("\n\n");
}

function demoSection(findings: readonly Finding[], cases: number): string {
  if (findings.length === 0) return "";
  const longest = Math.max(...findings.map(({ outcome }) => outcome.seconds));
  return [
    "## The demo",
    `To reach in ten: at most one _disagrees_, at least five _agrees_, at most 300 s each. ${findings.length} of ${cases} so far: ${verdictsOf(findings)}. The longest took ${longest.toFixed(0)} s.`,
    validationsTable(findings),
  ].join("\n\n");
}

function validationsTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, date, load, wrong, outcome }) => [
    date.slice(0, 16).replace("T", " "),
    name,
    load === undefined ? "" : `${Math.round(100 * load)} %`,
    ...SHOWN.map(([metric]) => signed(outcome.error[metric])),
    signed(outcome.ownError.latencyMeanMs),
    signed(outcome.waitsError),
    signed(outcome.iterations && outcome.iterations.ratio - 1),
    signed(outcome.iterations?.storedError.tpotMeanMs),
    outcome.setAside === 0 ? `${outcome.runs}` : `${outcome.runs} (${outcome.setAside} set aside)`,
    `_${outcome.verdict}_`,
    outcome.culprit ?? (wrong === undefined ? (outcome.reason ?? "") : `not found: ${wrong}`),
  ]);
  const headings = [
    ...["date (UTC)", "validation", "load", ...SHOWN.map(([, heading]) => heading)],
    ...["mean, from between the blocks", "from within"],
    ...["iterations longer by", "TPOT, from the profile alone"],
    ...["runs", "verdict", "named, or why not"],
  ];
  const shown = [...headings.keys()].filter((i) => i < 3 || rows.some((row) => row[i] !== ""));
  const kept = (row: readonly string[]): string[] => shown.map((i) => row[i]);
  return table(kept(headings), rows.map(kept));
}

const SHOWN: readonly (readonly [MetricName, string])[] = [
  ["ttftMeanMs", "TTFT"],
  ["tpotMeanMs", "TPOT"],
  ["latencyMeanMs", "mean"],
  ["latencyP95Ms", "p95"],
  ["latencyP99Ms", "p99"],
  ["goodputPerS", "goodput"],
];

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Without their signs. */
function errorsOf(
  findings: readonly Finding[],
  metric: MetricName,
  of: "error" | "ownError" = "error",
): number[] {
  return findings.flatMap(({ outcome }) => {
    const error = outcome[of][metric];
    return error === undefined ? [] : [Math.abs(error)];
  });
}

function verdictsOf(findings: readonly Finding[]): string {
  const count = (verdict: Verdict): number =>
    findings.filter(({ outcome }) => outcome.verdict === verdict).length;
  return `${count("agrees")} agree, ${count("disagrees")} disagree, ${count("cannot tell")} cannot tell`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(error: number | undefined): string {
  return error === undefined ? "" : `${error < 0 ? "−" : "+"}${percent(Math.abs(error))}`;
}
