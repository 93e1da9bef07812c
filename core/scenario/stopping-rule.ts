/** `run.until` as written → when to stop adding replications. */
import type { Issue } from "../fault.ts";
import { METRICS, type MetricName } from "../results.ts";
import { FIRST_ROUND, type StoppingRule } from "../statistics/sequential.ts";
import { sweptPaths } from "./axes.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";

const DEFAULT_METRICS: readonly MetricName[] = ["latencyMeanMs", "latencyP99Ms"];
export const DEFAULT_MAX_REPLICATIONS = 1000;

/** Null where the number of replications is fixed. The document has passed `checkUntil`. */
export function stoppingRule({ until }: ScenarioDocument["run"]): StoppingRule | null {
  if (until === undefined) return null;
  const { relativeHalfWidth, metrics, maxReplications } =
    typeof until === "object" ? until : { relativeHalfWidth: until };
  return {
    target: shareOf(relativeHalfWidth),
    metrics: (metrics ?? DEFAULT_METRICS) as readonly MetricName[],
    maxReplications: maxReplications ?? DEFAULT_MAX_REPLICATIONS,
  };
}

/** "2%" and 0.02 are the same. */
function shareOf(value: string | number): number {
  return typeof value === "number" ? value : Number(value.replace("%", "")) / 100;
}

/** What is compared is swept. */
export function checkCompared({ run, sweep }: Pick<ScenarioDocument, "run" | "sweep">): Issue[] {
  const swept = sweptPaths(sweep);
  return (run.compare?.over ?? []).flatMap((path, i) => {
    if (swept.includes(path)) return [];
    const message = `the sweep does not vary "${path}"`;
    return [issueAt(`run.compare.over.${i}`, message, didYouMean(path, swept))];
  });
}

/** The target can be met or missed, and the metrics exist. */
export function checkUntil({ run }: Pick<ScenarioDocument, "run">): Issue[] {
  const names = (list: readonly string[] | undefined, at: string): Issue[] =>
    (list ?? []).flatMap((name, i) =>
      METRICS.some((metric) => metric === name)
        ? []
        : [issueAt(`${at}.${i}`, `no metric is called "${name}"`, didYouMean(name, METRICS))],
    );
  const issues = names(run.compare?.metrics, "run.compare.metrics");
  const rule = stoppingRule(run);
  if (rule === null) return issues;
  issues.push(...names(rule.metrics, "run.until.metrics"));
  if (!(rule.target > 0 && rule.target < 1)) {
    const message = `expected a share above 0% and below 100%, got ${rule.target * 100}%`;
    issues.push(issueAt("run.until", message, "for example `until: 2%`"));
  }
  if (rule.maxReplications < FIRST_ROUND) {
    const message = `expected at least ${FIRST_ROUND}, the first round, got ${rule.maxReplications}`;
    issues.push(issueAt("run.until.maxReplications", message));
  }
  return issues;
}
