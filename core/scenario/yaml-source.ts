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
  /** By path. Values that an alias repeats have the position of the alias. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly issues: readonly Issue[];
}

const MAX_CHARACTERS = 10_000_000;
const MAX_NODES = 1_000_000;

/**
 * Reads one YAML (or JSON) document. `base` is the path at which the value stands in the scenario.
 * Syntax errors and duplicate keys come back as issues; on a syntax error `value` is undefined.
 * Throws Fault("limit-exceeded") on a text over 10 million characters.
 */
export function readYaml(text: string, file: string, base: Path = []): YamlSource {
  if (text.length > MAX_CHARACTERS) {
    const message = `${file}: ${text.length} characters; a file may have ${MAX_CHARACTERS}`;
    throw new Fault("limit-exceeded", message);
  }
  const lineCounter = new LineCounter();
  const positions = new Map<string, Position>([[formatPath(base), { file, line: 1 }]]);
  const issues: Issue[] = [];
  const refuse = (message: string, path = base, line = 1, hint?: string): void => {
    issues.push({ ...issueAt(path, message, hint), file, line });
  };
  const lineAt = (offset = 0): number => lineCounter.linePos(offset).line || 1;
  let document: Document;
  /** `around` are the nodes that the node lies in. */
  const walk = (node: Node | null, path: Path, around: readonly Node[]): void => {
    if (positions.size > MAX_NODES) throw new RangeError("too many nodes");
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined || !around.includes(target)) return;
      refuse(`the alias *${node.source} refers to itself`, path, lineAt(node.range?.[0]));
    } else if (isSeq<Node | null>(node)) {
      for (const [index, item] of node.items.entries()) {
        enter(item, item, [...path, index], [...around, node]);
      }
    } else if (isMap<Node, Node | null>(node)) {
      const firstLines = new Map<string, number>();
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key);
        const at = [...path, name];
        const line = lineAt(key.range?.[0]);
        const first = firstLines.get(name);
        if (first === undefined) firstLines.set(name, line);
        else {
          const message = `the key "${name}" is given twice, first on line ${first}`;
          refuse(message, at, line, "keep one of the two");
        }
        enter(key, value, at, [...around, node]);
      }
    }
  };
  /** Notes the line of `start`, at which a value begins, and walks the value. */
  const enter = (
    start: Node | null,
    value: Node | null,
    path: Path,
    around: readonly Node[],
  ): void => {
    positions.set(formatPath(path), { file, line: lineAt(start?.range?.[0]) });
    walk(value, path, around);
  };
  try {
    document = parseDocument(text, { lineCounter, uniqueKeys: false, prettyErrors: false });
    for (const { message, pos } of [...document.errors, ...document.warnings]) {
      if (message.includes("call stack")) throw new RangeError(message);
      refuse(`not valid YAML: ${message}`, base, lineAt(pos[0]));
    }
    if (document.errors.length > 0) return { value: undefined, positions, issues };
    walk(document.contents, base, []);
    const readable = issues.every((issue) => !issue.message.includes("refers to itself"));
    return { value: readable ? document.toJS() : undefined, positions, issues };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error;
    // The parser's stack or its bound on alias expansion ran out.
    refuse("not valid YAML: nested too deeply, or too many aliases");
    return { value: undefined, positions, issues };
  }
}
