/** The process of Node that works for another program (`in-node.ts`). */
import { createInterface } from "node:readline";
import { importTexts } from "../build/import-text.ts";
import { loadHighs } from "../build/load-highs.ts";
import { Fault } from "../engine/basics/fault.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import { useSolver } from "../schedulers/rules/solver.ts";
import {
  type FaultParts,
  type FromNode,
  fromLine,
  type ToNode,
  tagOf,
  toLine,
  workOf,
} from "./in-node.ts";
import type { Scenario } from "./scenario.ts";

const aborted = new AbortController();

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const message = fromLine(line) as ToNode;
    if (message.kind === "abort") aborted.abort();
    else
      work(message).then(
        (value) => report({ kind: "result", value }),
        (error) => report({ kind: "fault", fault: partsOf(error) }),
      );
  })
  // The program has its answer, or is gone.
  .on("close", () => {
    aborted.abort();
    setTimeout(() => process.exit(0), 5000).unref();
  });

async function work({ name, args }: Extract<ToNode, { kind: "call" }>): Promise<unknown> {
  useSolver(await loadHighs());
  const call = await workOf(name);
  return call(...(await Promise.all(args.map(revived))));
}

/** Callbacks report, the signal is this process's, and scenarios get their schedulers. */
async function revived(value: unknown): Promise<unknown> {
  if (typeof value !== "object" || value === null || value instanceof Map) return value;
  const entries = Object.entries(value).map(([name, part]) => [name, livingOf(name, part)]);
  const living = Array.isArray(value) ? value : Object.fromEntries(entries);
  const { schedulerFiles } = living as Partial<Scenario>;
  if (schedulerFiles === undefined) return living;
  return { ...living, own: await importTexts(schedulerFiles, ownScheduler) };
}

function livingOf(name: string, part: unknown): unknown {
  const kind = tagOf(part);
  if (kind === "signal") return aborted.signal;
  if (kind !== "function") return part;
  return (value: unknown) => report({ kind: "event", name, value });
}

function report(message: FromNode): void {
  process.stdout.write(`${toLine(message)}\n`);
}

function partsOf(error: unknown): FaultParts {
  if (error instanceof Fault) {
    const { code, message, hint, issues } = error;
    return { code, message, hint, issues };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: undefined, message, hint: undefined, issues: [] };
}
