/** A configuration in a few words: how it differs from its scenario. */
import type { Choices } from "./choices.ts";
import type { Description } from "./messages.ts";

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

function batchText({ maxBatch, waitMs }: NonNullable<Choices["batch"]>): string {
  return maxBatch === 1 ? "no batches" : `batches of ${maxBatch} within ${waitMs} ms`;
}
