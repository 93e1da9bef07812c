/** How a command ends early: failures with their text on stderr, warnings, and Ctrl-C. */

import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { resolve } from "node:path";
import { styleText } from "node:util";
import { Fault, type Issue, known } from "../engine/basics/fault.ts";

const TO_STDERR = { stream: process.stderr };

export function printFailure(thrown: unknown): void {
  const error = known(thrown);
  if (!(error instanceof Fault)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${red("tandem: this is a bug")}\n${withSourcePlaces(text)}\n`);
    return;
  }
  const shared = sharedHint(error.issues);
  const message = shared === undefined ? error.message : `${error.message}: ${shared}`;
  process.stderr.write(`${red(`tandem: ${message}`)}\n`);
  for (const issue of error.issues) process.stderr.write(`  ${issueLine(issue, shared)}\n`);
  if (error.hint !== undefined) process.stderr.write(`  hint: ${error.hint}\n`);
}

/** The way out of all of several issues, which is said once. */
function sharedHint([first, ...others]: readonly Issue[]): string | undefined {
  const isShared = others.length > 0 && others.every(({ hint }) => hint === first.hint);
  return isShared ? first.hint : undefined;
}

export function printWarning(message: string): void {
  process.stderr.write(`${styleText("yellow", `tandem: ${message}`, TO_STDERR)}\n`);
}

function red(text: string): string {
  return styleText("red", text, TO_STDERR);
}

function issueLine({ file, line, path, message, hint }: Issue, said?: string): string {
  const place = [file, line].filter((part) => part !== undefined).join(":");
  const where = [place, path].filter((part) => part !== "").join(" ");
  const before = where === "" ? "" : `${where}: `;
  return `${before}${message}${hint === undefined || hint === said ? "" : ` (${hint})`}`;
}

/** `timeout` sends one request to stop twice: to a command, and to the process group that it is in. */
const ECHO_MS = 500;

/**
 * Calls `first` at the first Ctrl-C or SIGTERM, with its name; one after it ends the process, unless it may be an echo.
 * Returns a function that stops to listen.
 */
function onEndingSignals(first: (name: NodeJS.Signals) => void): () => void {
  let firstMs: number | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (firstMs === null) first(name);
    else if (nowMs - firstMs > ECHO_MS) process.exit(130);
    firstMs ??= nowMs;
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
}

/** Aborted by the first Ctrl-C or SIGTERM, with its name as the reason; `off` stops to listen. */
export function endingSignal(): { readonly signal: AbortSignal; readonly off: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, off: onEndingSignals((name) => controller.abort(name)) };
}

/**
 * Runs work under a signal that Ctrl-C and SIGTERM abort: the first asks to stop, the second stops at once.
 * Work that an abort has ended is Fault("interrupted"), which ends in what `kept` tells unless the work's own does.
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  kept: () => string = () => ": nothing is kept",
  hint?: string,
): Promise<T> {
  const controller = new AbortController();
  const off = onEndingSignals(() => {
    process.stderr.write("\ntandem: stopping; once more to stop at once\n");
    controller.abort();
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    const isSaid = error instanceof Fault && error.code === "interrupted";
    if (!controller.signal.aborted || isSaid) throw error;
    throw new Fault("interrupted", `interrupted${kept()}`, { hint });
  } finally {
    off();
  }
}

const PLACE = /(?:file:\/\/)?([^\s()]+\/dist\/bundle\/[^\s()]+\.js):(\d+):(\d+)/g;

/** A stack trace with each place in a bundle replaced; without a source map it stays as it is. */
export function withSourcePlaces(stack: string): string {
  const maps = new Map<string, SourceMap | null>();
  return stack.replace(PLACE, (place, file: string, line: string, column: string) => {
    if (!maps.has(file)) maps.set(file, readMap(file));
    // Both count from 1 in a trace, from 0 in a map.
    const found = maps.get(file)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (found === undefined || !("originalSource" in found)) return place;
    const source = resolve(file, "..", found.originalSource);
    return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
  });
}

function readMap(file: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8")));
  } catch {
    return null;
  }
}
