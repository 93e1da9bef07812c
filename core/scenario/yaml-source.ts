/** YAML text to plain values, with the line of every path. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import { Fault, type Issue } from "../fault.ts";
import { formatPath, issueAt, type Path, type Position } from "./issues.ts";

export interface YamlSource {
  readonly value: unknown;
  readonly positions: ReadonlyMap<string, Position>;
  readonly issues: readonly Issue[];
}

const MAX_CHARACTERS = 10_000_000;
const MAX_NODES = 1_000_000;
/** Nodes reached through aliases: a few lines can stand for thousands of millions. */
const MAX_ALIASED = 20_000;

interface Walk {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly positions: Map<string, Position>;
  readonly issues: Issue[];
  /** Aliases around the current node, and nodes seen inside aliases. */
  aliases: number;
  aliased: number;
}

/**
 * Reads one YAML (or JSON) document. `base` is the path at which the value stands in the scenario.
 * Syntax errors and duplicate keys come back as issues; on a syntax error `value` is undefined.
 * Throws Fault("limit-exceeded") on a text over 10 million characters.
 */
export function readYaml(text: string, file: string, base: Path = []): YamlSource {
  if (text.length > MAX_CHARACTERS) {
    throw new Fault(
      "limit-exceeded",
      `${file}: ${text.length} characters; a file may have ${MAX_CHARACTERS}`,
    );
  }
  const lines = new LineCounter();
  const positions = new Map<string, Position>([[formatPath(base), { file, line: 1 }]]);
  const issues: Issue[] = [];
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
    });
    for (const problem of [...document.errors, ...document.warnings]) {
      if (problem.message.includes("call stack")) throw new RangeError(problem.message);
      const line = lines.linePos(problem.pos[0]).line || 1;
      issues.push({ ...issueAt(base, `not valid YAML: ${problem.message}`), file, line });
    }
    if (document.errors.length > 0) return { value: undefined, positions, issues };
    const walk: Walk = { file, document, lines, positions, issues, aliases: 0, aliased: 0 };
    walkNode(walk, document.contents, base, []);
    const readable = issues.every((issue) => !issue.message.includes("refers to itself"));
    return { value: readable ? document.toJS() : undefined, positions, issues };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error;
    // The parser's stack or its bound on alias expansion ran out.
    const message = "not valid YAML: nested too deeply, or too many aliases";
    return {
      value: undefined,
      positions,
      issues: [...issues, { ...issueAt(base, message), file, line: 1 }],
    };
  }
}

function walkNode(walk: Walk, node: Node | null, path: Path, above: readonly Node[]): void {
  if (node === null) return;
  if (walk.positions.size > MAX_NODES) throw new RangeError("too many nodes");
  if (walk.aliases > 0 && ++walk.aliased > MAX_ALIASED) throw new RangeError("too many aliases");
  if (isAlias(node)) {
    const target = node.resolve(walk.document);
    if (target !== undefined && above.includes(target)) {
      const message = `the alias *${node.source} refers to itself`;
      walk.issues.push({ ...issueAt(path, message), file: walk.file, line: lineOf(walk, node) });
    } else if (target !== undefined) {
      walk.aliases++;
      walkNode(walk, target, path, above);
      walk.aliases--;
    }
    return;
  }
  const inside = [...above, node];
  if (isSeq(node)) {
    node.items.forEach((item, index) => {
      const at = [...path, index];
      note(walk, at, lineOf(walk, item as Node));
      walkNode(walk, item as Node, at, inside);
    });
  } else if (isMap(node)) {
    walkPairs(walk, node.items, path, inside);
  }
}

function walkPairs(
  walk: Walk,
  pairs: readonly { key: unknown; value: unknown }[],
  path: Path,
  inside: readonly Node[],
): void {
  const firstLines = new Map<string, number>();
  for (const pair of pairs) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const line = lineOf(walk, pair.key as Node);
    const at = [...path, key];
    const first = firstLines.get(key);
    if (first !== undefined) {
      const message = `the key "${key}" is given twice, first on line ${first}`;
      const hint = "keep one of the two";
      walk.issues.push({ ...issueAt(at, message, hint), file: walk.file, line });
    } else {
      firstLines.set(key, line);
    }
    note(walk, at, line);
    walkNode(walk, pair.value as Node | null, at, inside);
  }
}

function note(walk: Walk, path: Path, line: number): void {
  walk.positions.set(formatPath(path), { file: walk.file, line });
}

function lineOf(walk: Walk, node: Node | null): number {
  const start = node?.range?.[0];
  return start === undefined ? 1 : walk.lines.linePos(start).line;
}
