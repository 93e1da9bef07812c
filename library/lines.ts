/** Values as lines of JSON between two programs: with maps, bytes, and numbers that JSON has not. */

const TAG = "$tandem";

/** Functions, signals and undefined values stay behind; a function leaves its name, to be called from there. */
export function toLine(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => tagged(part));
}

export function fromLine(line: string): unknown {
  return JSON.parse(line, (_, part: unknown) => untagged(part));
}

function tagged(part: unknown): unknown {
  if (typeof part === "function") return { [TAG]: "function" };
  if (typeof part === "number" && !Number.isFinite(part)) return { [TAG]: String(part) };
  if (part instanceof AbortSignal) return { [TAG]: "signal" };
  if (part instanceof Map) return { [TAG]: "map", entries: [...part] };
  return part;
}

function untagged(part: unknown): unknown {
  if (typeof part !== "object" || part === null || !(TAG in part)) return part;
  const kind = part[TAG];
  if (kind === "map")
    return new Map((part as unknown as { entries: [unknown, unknown][] }).entries);
  if (kind === "function" || kind === "signal") return new Placeholder(kind);
  return Number(kind);
}

/** Stands for a value that only the other program has. */
export class Placeholder {
  readonly kind: "function" | "signal";

  constructor(kind: "function" | "signal") {
    this.kind = kind;
  }
}
