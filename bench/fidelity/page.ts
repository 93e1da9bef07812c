/** docs/fidelity.md, made from the study's findings: each aim beside its figure, reached or not, and every validation. */
import type { MetricName, Verdict } from "../../core/results.ts";
import type { Finding } from "./study-case.ts";

export function fidelityPage(findings: readonly Finding[], seedSection: string): string {
  const of = (part: string): Finding[] => findings.filter((one) => one.part === part);
  const models = of("models");
  const sections = [
    "# How well predictions hold",
    "`npm run study:fidelity -- --page docs/fidelity.md` makes this page. A line is one validation; none is left out. " +
      "_cannot tell_ means that the host or the load generator was not fit, or that the interval is too wide for a verdict.",
    replayedSection(of("replayed")),
    modelsSection(
      "Real models, calibrated as users do",
      models.filter(({ wrong }) => wrong === undefined),
      "at most one false _disagrees_; at least seven of twelve _agrees_; from the brackets: median error of the mean ≤ 3 %",
    ),
    modelsSection(
      "Real models with something wrong",
      models.filter(({ wrong }) => wrong !== undefined),
      "_disagrees_ in all but one, and the cause named",
    ),
    demoSection(of("demo")),
    seedSection,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function replayedSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const mean = errorsOf(findings, "latencyMeanMs");
  const p99 = errorsOf(findings, "latencyP99Ms");
  const within = p99.filter((error) => error <= 0.06).length / Math.max(1, p99.length);
  const attainment = findings.flatMap(({ outcome: { validated } }) => {
    const [predicted, measured] = [validated.predicted, validated.measured.metrics].map(
      ({ sloAttainmentRatio }) => sloAttainmentRatio?.mean,
    );
    return predicted === undefined || measured === undefined
      ? []
      : [Math.abs(predicted - measured)];
  });
  return [
    "## Replayed times",
    `${findings.length} validations (${verdictsOf(findings)}).`,
    table(
      ["figure", "found", "to reach"],
      [
        ["median error of the mean", percent(median(mean)), "≤ 1 %"],
        ["median error of p99", percent(median(p99)), "≤ 3 %"],
        ["p99 within 6 %", percent(within), "≥ 90 %"],
        [
          "attainment off by, on average",
          `${(100 * average(attainment)).toFixed(2)} points`,
          "≤ 0.4",
        ],
      ],
    ),
    validationsTable(findings),
  ].join("\n\n");
}

function modelsSection(title: string, findings: readonly Finding[], aim: string): string {
  if (findings.length === 0) return "";
  const own = findings.flatMap(({ outcome: { validated } }) => {
    const error = validated.judgedBy?.simulatorError.latencyMeanMs?.mean;
    return error === undefined ? [] : [Math.abs(error)];
  });
  return [
    `## ${title}`,
    `To reach: ${aim}. Found: ${verdictsOf(findings)}; median error of the mean from stored profiles ${percent(median(errorsOf(findings, "latencyMeanMs")))}, from the brackets ${percent(median(own))}.`,
    validationsTable(findings),
  ].join("\n\n");
}

function demoSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const longest = Math.max(...findings.map(({ outcome }) => outcome.seconds));
  return [
    "## The demo",
    `To reach in ten: at most one _disagrees_, at least five _agrees_, at most 300 s each. Found: ${verdictsOf(findings)}; longest ${longest.toFixed(0)} s.`,
    validationsTable(findings),
  ].join("\n\n");
}

function validationsTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, date, load, wrong, outcome: { validated } }) => [
    date.slice(0, 16).replace("T", " "),
    name,
    load === undefined ? "" : `${Math.round(100 * load)} %`,
    ...(["latencyMeanMs", "latencyP99Ms", "latencyP95Ms"] as const).map((metric) =>
      signed(validated.error[metric]),
    ),
    signed(validated.judgedBy?.simulatorError.latencyMeanMs?.mean),
    validated.verdict,
    validated.judgedBy?.culprit ?? (wrong === undefined ? "" : `not found: ${wrong}`),
  ]);
  const headings = [
    ...["date", "validation", "load", "mean", "p99", "p95"],
    ...["mean, from the brackets", "verdict", "named"],
  ];
  return table(headings, rows);
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function errorsOf(findings: readonly Finding[], metric: MetricName): number[] {
  return findings.flatMap(({ outcome: { validated } }) => {
    const error = validated.error[metric];
    return error === undefined ? [] : [Math.abs(error)];
  });
}

function verdictsOf(findings: readonly Finding[]): string {
  const count = (verdict: Verdict): number =>
    findings.filter(({ outcome: { validated } }) => validated.verdict === verdict).length;
  return `${count("agrees")} agree, ${count("disagrees")} disagree, ${count("cannot tell")} cannot tell`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(error: number | undefined): string {
  return error === undefined ? "" : `${error < 0 ? "−" : "+"}${percent(Math.abs(error))}`;
}
