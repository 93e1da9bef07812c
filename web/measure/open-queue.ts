/**
 * A gateway refuses requests that would wait longer than the latency goal allows. A measured run has no
 * such bound; the next run has it again.
 */
import type { SchedulerDocument } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";

/** Rejects with a ServerError where requests are under way: a run starts without any. */
export async function inOpenQueue<Result>(
  client: Client,
  work: () => Promise<Result>,
): Promise<Result> {
  const { scheduler } = await client.json<{ scheduler: SchedulerDocument }>("/v1/scheduler");
  const start = (boundQueue: boolean): Promise<unknown> =>
    client.json("/run", { method: "POST", body: { seed: "web", scheduler, boundQueue } });
  await start(false);
  try {
    return await work();
  } finally {
    await start(true).catch(() => undefined);
  }
}
