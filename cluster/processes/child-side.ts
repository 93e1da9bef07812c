/**
 * The child's side of a child process: it receives its specification over IPC, reports that it is
 * ready, and exits when its parent is gone, however the parent died.
 */
import { Fault } from "../../core/fault.ts";

export type ChildMessage<Ready> =
  | { readonly kind: "ready"; readonly value: Ready }
  | { readonly kind: "failed"; readonly message: string; readonly hint?: string }
  | { readonly kind: "progress"; readonly value: unknown }
  | { readonly kind: "alive" };

/** Time to end in order after SIGTERM. */
const DRAIN_MS = 10_000;
/** Interval of "alive" messages. */
const ALIVE_MS = 1000;

/**
 * Runs a child: `start` takes the specification and returns the report and the stop function. The
 * child stops on SIGTERM and exits at once when the parent is gone. It ignores SIGINT, because a
 * terminal sends that to the whole process group and the parent handles it.
 */
export function runChild<Specification, Ready>(
  start: (specification: Specification) => Promise<{ ready: Ready; stop: () => Promise<void> }>,
): void {
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => process.exit(0));
  process.once("message", (specification) => {
    start(specification as Specification).then(({ ready, stop }) => {
      process.once("SIGTERM", () => {
        process.on("SIGTERM", () => undefined);
        setTimeout(() => process.exit(1), DRAIN_MS).unref();
        stop().then(() => process.exit(0), fail);
      });
      report({ kind: "ready", value: ready });
      setInterval(() => report({ kind: "alive" }), ALIVE_MS).unref();
    }, fail);
  });
  if (process.connected !== true) process.exit(0);
}

export function reportProgress(value: unknown): void {
  report({ kind: "progress", value });
}

function report<Ready>(message: ChildMessage<Ready>, then?: () => void): void {
  if (process.connected !== true) return;
  process.send?.(message, undefined, {}, () => then?.());
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Fault ? error.hint : undefined;
  report({ kind: "failed", message, ...(hint === undefined ? {} : { hint }) }, () =>
    process.exit(1),
  );
}
