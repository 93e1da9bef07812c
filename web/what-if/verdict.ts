/** A configuration in words: whether the goal is met at this load, and up to which one; how it differs. */
import { figures, milliseconds, precisePercent } from "../shared/format.ts";
import { type Batch, type Choices, type LoadAxis, loadText } from "./choices.ts";
import type { CurveState } from "./curve-store.ts";
import type { Description } from "./messages.ts";
import { estimateOf } from "./readings.tsx";

export function verdictOf(
  { axis, goals }: Description,
  { sloMs }: Choices,
  curve: CurveState | undefined,
  loads: readonly number[],
  load: number,
): string {
  const result = curve?.points.get(load);
  if (result === undefined) return "Simulating …";
  const at = `At ${loadText(axis, load)}`;
  const p99 = estimateOf(result, "latencyP99Ms");
  if (result.stability === "unstable") {
    return `${at} the queue grows without end: ${bearable(curve, loads, axis)}.`;
  }
  const attained = estimateOf(result, "sloAttainmentRatio");
  if (goals.length === 0 || attained === undefined) {
    return p99 === undefined
      ? `${at} no request ends.`
      : `${at}, p99 is ${milliseconds(p99.mean)}.`;
  }
  const [goal] = goals;
  const text =
    goals.length === 1
      ? `${precisePercent(attained.mean)} of requests end within ${sloMs?.[goal.pipeline] ?? goal.latencyMs} ms, ${goal.percentile}% should`
      : `${precisePercent(attained.mean)} of requests end within their goals`;
  const words = {
    meets: "the goal is met",
    misses: "the goal is missed",
    unclear: "too close to tell",
  };
  const judged = result.slo === undefined ? "" : ` (${words[result.slo]})`;
  return `${at}, ${text}${judged}. ${capital(bearable(curve, loads, axis))}.`;
}

/** The largest load up to which all that were simulated meet the goal; without goals, keep up. */
function bearable(curve: CurveState | undefined, loads: readonly number[], axis: LoadAxis): string {
  const simulated = loads.filter((load) => curve?.points.has(load));
  const first = simulated.findIndex((load) => {
    const result = curve?.points.get(load);
    return (result?.slo ?? "meets") !== "meets" || result?.stability === "unstable";
  });
  const capacity =
    curve?.capacityPerS == null ? "" : `; its capacity is ${figures(curve.capacityPerS)} per s`;
  if (first === 0) return `it bears none of these loads${capacity}`;
  const last = simulated[(first === -1 ? simulated.length : first) - 1];
  return `it bears up to ${loadText(axis, last)}${capacity}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A configuration in a few words: how it differs from its scenario. */
export function differenceText(choices: Choices, { replicas, goals }: Description): string {
  const { scheduler, parameters, batch, serviceScale, machines, costPerHour, sloMs } = choices;
  const counts = Object.entries(choices.replicas ?? {}).filter(
    ([task, count]) => replicas[task] !== count,
  );
  const given = Object.values(parameters ?? {}).flatMap((own) =>
    Object.entries(own).filter(([name]) => name !== "policy"),
  );
  const parts = [
    ...counts.map(([task, count]) => `${task} ${count}`),
    ...(scheduler === undefined ? [] : [scheduler]),
    ...given.map(([name, value]) => `${name} ${String(value)}`),
    ...(batch === undefined ? [] : [batchText(batch)]),
    ...(serviceScale === undefined || serviceScale === 1 ? [] : [`service times ×${serviceScale}`]),
    ...Object.entries(machines ?? {}).map(([name, count]) => `${count} × ${name}`),
    ...Object.entries(costPerHour ?? {}).map(([name, price]) => `${name} at ${price} / h`),
    ...Object.entries(sloMs ?? {}).map(
      ([pipeline, latencyMs]) => `${goals.length > 1 ? `${pipeline} ` : ""}goal ${latencyMs} ms`,
    ),
  ];
  return parts.length === 0 ? "as in the scenario" : parts.join(" · ");
}

function batchText({ maxBatch, waitMs }: Batch): string {
  return maxBatch === 1 ? "no batches" : `batches of ${maxBatch} within ${waitMs} ms`;
}
