import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JobQueue, KeyedQueue, LinkedQueue } from "./job-queue.ts";
import { RequestTable } from "./request-table.ts";

const JOBS = 12;

type Kind = "fifo" | "lifo" | "keyed";

interface Entry {
  readonly job: number;
  readonly enteredUs: number;
  readonly key: number;
  readonly order: number;
}

const queueOf = (kind: Kind, table: RequestTable): JobQueue =>
  kind === "keyed" ? new KeyedQueue(3, table) : new LinkedQueue(3, table, kind === "lifo");

/** The next job of a plain list: by waiting time, or by key and then order of entry. */
function nextOf(kind: Kind, entries: readonly Entry[]): Entry {
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

describe.each<Kind>(["fifo", "lifo", "keyed"])("a %s queue", (kind) => {
  test("agrees with a plain list after any sequence of pushes, pops and removals", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const table = new RequestTable(1);
        const queue = queueOf(kind, table);
        let entries: Entry[] = [];
        steps.forEach(({ action, job, key, agoUs }, order) => {
          const there = entries.some((entry) => entry.job === job);
          if (action === "push" && !there) {
            table.enqueuedUs[job] = order - agoUs;
            queue.push(job, key);
            entries.push({ job, key, order, enteredUs: order - agoUs });
          } else if (action === "pop" && entries.length > 0) {
            const next = nextOf(kind, entries).job;
            expect(queue.pop()).toBe(next);
            entries = entries.filter((entry) => entry.job !== next);
          } else if (action === "remove" && there) {
            queue.remove(job);
            entries = entries.filter((entry) => entry.job !== job);
          }
          expect(queue.length).toBe(entries.length);
          if (entries.length > 0) {
            expect(queue.oldestUs()).toBe(Math.min(...entries.map((entry) => entry.enteredUs)));
          }
        });
        for (let job = 0; job < JOBS; job++) {
          expect(table.queue[job]).toBe(entries.some((entry) => entry.job === job) ? 3 : -1);
        }
      }),
      { numRuns: 400 },
    );
  });
});
