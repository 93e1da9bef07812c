/** The tables of docs/your-own-scheduler.md, made from the types; `npm run docs` renews them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { markdownTable } from "../checks/support/markdown-table.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "docs", "your-own-scheduler.md");
const START = "<!-- The tables below are made from the types by `npm run docs`. -->\n";
const END = "\n## The rules\n";

interface Table {
  readonly title: string;
  readonly file: string;
  readonly name: string;
}

const dispatch = (file: string) => `engine/dispatch/${file}.ts`;

const TABLES: readonly Table[] = [
  { title: "`view`: the cluster", file: dispatch("controller"), name: "ClusterView" },
  { title: "`job`", file: dispatch("controller"), name: "JobView" },
  { title: "`queue`", file: dispatch("controller"), name: "QueueView" },
  { title: "`pool`, in `routing`", file: dispatch("policies"), name: "PoolView" },
  { title: "`view`, in `scaling`", file: dispatch("policies"), name: "ScalingView" },
  { title: "`selection`: variants of a task", file: dispatch("policies"), name: "Selection" },
  { title: "`act`: commands of a controller", file: dispatch("controller"), name: "Controls" },
  { title: "What a controller may have", file: dispatch("controller"), name: "Controller" },
  { title: "`end`: the end of a batch", file: dispatch("controller"), name: "BatchEnd" },
  { title: "`system`", file: "engine/system/system.ts", name: "System" },
  { title: "`system.pipelines[…]`", file: "engine/system/system.ts", name: "PipelineSystem" },
  { title: "`system.pipelines[…].tasks[…]`", file: "engine/system/system.ts", name: "TaskSystem" },
  { title: "`system.pools[…]`", file: "engine/system/system.ts", name: "PoolSystem" },
  { title: "`system.replicas[…]`", file: "engine/system/system.ts", name: "ReplicaSystem" },
  { title: "`system.nodes[…]`", file: "engine/system/system.ts", name: "NodeSystem" },
  { title: "`system.devices[…]`", file: "engine/system/system.ts", name: "DeviceSystem" },
];

/** Declarations and comments of an interface, in order. */
function membersOf({ file, name }: Table): readonly (readonly [string, string])[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n(.*?)\\n\\}\\n`, "s").exec(text)?.[1];
  if (body === undefined) throw new Error(`${file} has no interface ${name}`);
  const found: (readonly [string, string])[] = [];
  let comment = "";
  let declared = "";
  for (const line of body.split("\n")) {
    const isComment = declared === "" && /^ {2}( ?\*|\/\*\*)/.test(line);
    if (isComment) comment += ` ${line.replaceAll(/^\s*(\/\*\*|\*\/?)|\*\/$/g, "")}`;
    else if (declared !== "" || /^ {2}\w/.test(line)) declared += ` ${line}`;
    if (!declared.endsWith(";") || depthOf(declared) > 0) continue;
    found.push([oneLine(declared.slice(0, -1).replaceAll("readonly ", "")), oneLine(comment)]);
    [comment, declared] = ["", ""];
  }
  return found;
}

function depthOf(text: string): number {
  return text.replaceAll(/[^({[]/g, "").length - text.replaceAll(/[^)}\]]/g, "").length;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

function section(table: Table): string {
  const rows = membersOf(table).map(([declared, comment]) => [`\`${declared}\``, comment]);
  return `### ${table.title}\n\n${markdownTable(["member", "meaning"], rows)}\n`;
}

test("docs/your-own-scheduler.md lists all that the types offer", async () => {
  const page = readFileSync(PAGE, "utf8");
  const [before, rest] = page.split(START);
  const after = rest.slice(rest.indexOf(END));
  const tables = TABLES.map(section).join("\n");
  await expect(`${before}${START}\n${tables}${after}`).toMatchFileSnapshot(PAGE);
});

test("a member with a comment of several lines, or of an inner type, is one row", () => {
  const view = Object.fromEntries(membersOf(TABLES[0]));
  expect(view["jobsIn(pool: number): number[]"]).toBe("Its jobs in order of entry. O(length).");
  const load = Object.keys(view).find((declared) => declared.startsWith("loadOf"));
  expect(load).toBe("loadOf(pool: number): { busy: number; waiting: number; running: number; }");
});

test("each member has a meaning", () => {
  const unsaid = TABLES.flatMap((table) => {
    const bare = membersOf(table).filter(([, comment]) => comment === "");
    return bare.map(([declared]) => `${table.name}: ${declared}`);
  });
  expect(unsaid).toEqual([]);
});
