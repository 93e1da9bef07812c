/**
 * A child process's side of its life: it gets its specification over IPC, reports that it is
 * ready, and ends by itself when its parent is gone, however the parent died.
 */
import { Fault } from "../../core/fault.ts";

/** What a child tells its parent. */
export type ChildMessage<Ready> =
  | { readonly kind: "ready"; readonly value: Ready }
  | { readonly kind: "failed"; readonly message: string; readonly hint?: string }
  | { readonly kind: "progress"; readonly value: unknown }
  | { readonly kind: "alive" };

/** How long a child may take to end in order once it was told to. */
const DRAIN_MS = 10_000;
/** A child that is ready gives this often a sign of life. */
const ALIVE_MS = 1000;

/**
 * Runs a child: `start` gets the specification and gives what to report and how to stop. Stops on
 * SIGTERM; exits at once when the parent is gone. An interrupt from the terminal reaches the
 * whole process group, so it is left to the parent.
 */
export function runChild<Specification, Ready>(
  start: (specification: Specification) => Promise<{ ready: Ready; stop: () => Promise<void> }>,
): void {
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => process.exit(0));
  process.once("message", (specification) => {
    start(specification as Specification).then(
      ({ ready, stop }) => {
        let ending = false;
        process.on("SIGTERM", () => {
          if (!ending) endInOrder(stop);
          ending = true;
        });
        report({ kind: "ready", value: ready });
        setInterval(() => report({ kind: "alive" }), ALIVE_MS).unref();
      },
      (error: unknown) => fail(error),
    );
  });
  if (process.connected !== true) process.exit(0);
}

/** Tells the parent something on the way. */
export function reportProgress(value: unknown): void {
  report({ kind: "progress", value });
}

function report<Ready>(message: ChildMessage<Ready>, then?: () => void): void {
  if (process.connected !== true) return;
  process.send?.(message, undefined, {}, () => then?.());
}

function endInOrder(stop: () => Promise<void>): void {
  setTimeout(() => process.exit(1), DRAIN_MS).unref();
  stop().then(
    () => process.exit(0),
    (error: unknown) => fail(error),
  );
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Fault ? error.hint : undefined;
  report({ kind: "failed", message, ...(hint === undefined ? {} : { hint }) }, () =>
    process.exit(1),
  );
}
