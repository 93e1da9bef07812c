/** Places in the bundle, as stack traces name them, as places in the sources. */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { resolve } from "node:path";

const PLACE = /([^\s()]+\.cjs):(\d+):(\d+)/g;

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
