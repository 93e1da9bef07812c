import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JobQueues, type QueueOrder } from "./job-queues.ts";
import { RequestTable } from "./request-table.ts";

const JOBS = 12;

interface Entry {
  readonly job: number;
  readonly enteredUs: number;
  readonly key: number;
  readonly order: number;
}

/** The next job of a plain list: by waiting time, or by key and then order of entry. */
function nextOf(kind: QueueOrder, entries: readonly Entry[]): Entry {
  const byEntry = [...entries].sort((a, b) => a.enteredUs - b.enteredUs || a.order - b.order);
  if (kind === "fifo") return byEntry[0];
  if (kind === "lifo") return byEntry[byEntry.length - 1];
  return [...entries].sort((a, b) => a.key - b.key || a.order - b.order)[0];
}

const step = fc.record({
  action: fc.constantFrom("push", "push", "pop", "remove"),
  job: fc.nat(JOBS - 1),
  key: fc.nat(4),
  /** How long ago the job first entered: above 0 for one that comes back. */
  agoUs: fc.constantFrom(0, 0, 0, 1, 5),
});

describe.each<QueueOrder>(["fifo", "lifo", "keyed"])("a %s queue", (kind) => {
  test("agrees with a plain list after any sequence of pushes, pops and removals", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const table = new RequestTable(1);
        const queues = new JobQueues(table, ["fifo", kind, "keyed"]);
        let entries: Entry[] = [];
        steps.forEach(({ action, job, key, agoUs }, order) => {
          const there = entries.some((entry) => entry.job === job);
          if (action === "push" && !there) {
            table.enqueuedUs[job] = order - agoUs;
            queues.push(1, job, key);
            entries.push({ job, key, order, enteredUs: order - agoUs });
          } else if (action === "pop" && entries.length > 0) {
            const next = nextOf(kind, entries).job;
            expect(queues.pop(1)).toBe(next);
            entries = entries.filter((entry) => entry.job !== next);
          } else if (action === "remove" && there) {
            queues.remove(1, job);
            entries = entries.filter((entry) => entry.job !== job);
          }
          expect(queues.lengthOf(1)).toBe(entries.length);
          if (entries.length > 0) {
            expect(queues.oldestUs(1)).toBe(Math.min(...entries.map((entry) => entry.enteredUs)));
          }
        });
        for (const { job } of entries) expect(table.state[job]).toBe(1);
        expect([queues.lengthOf(0), queues.lengthOf(2)]).toEqual([0, 0]);
      }),
      { numRuns: 400 },
    );
  });
});
