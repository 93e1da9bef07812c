import { describe, expect, test } from "vitest";
import { lineWith, RICH, replaced, richIssues, type Spoilt } from "./issues.test-support.ts";

const REPLICAS = "replicas: { a: 4, b: 2, c: 3 }";
const placed = (entries: string) => `${REPLICAS}\n  placement: ${entries}`;

const WRONG: readonly Spoilt[] = [
  [
    "no replicas of a task",
    "b: 2, ",
    "",
    "cluster.replicas.b",
    /"b" needs at least 1 replica .*got no entry/,
    "replicas",
  ],
  [
    "zero replicas of a task",
    "b: 2",
    "b: 0",
    "cluster.replicas.b",
    /"b" needs at least 1 replica .*got 0/,
    "b: 0",
  ],
  [
    "replicas of no task",
    "c: 3 }",
    "c: 3, d: 1 }",
    "cluster.replicas.d",
    /no task is called "d"/,
    "d: 1",
  ],
  [
    "more replicas than slots",
    "a: 4",
    "a: 6",
    "cluster.replicas",
    /11 replicas, but the nodes have 10 device slots/,
    "replicas",
  ],
  [
    "two nodes of one name",
    "name: cpu",
    "name: gpu",
    "cluster.nodes.1.name",
    /two nodes are called "gpu"/,
    "core",
  ],
  [
    "a placement of no task",
    REPLICAS,
    placed("[{ task: x, node: gpu, replicas: 1 }]"),
    "cluster.placement.0.task",
    /no task is called "x"/,
    "placement",
  ],
  [
    "a placement on no node",
    REPLICAS,
    placed("[{ task: a, node: gpu-3, replicas: 4 }]"),
    "cluster.placement.0.node",
    /no node is called "gpu-3"/,
    "placement",
  ],
  [
    "a placement on no device",
    REPLICAS,
    placed("[{ task: a, node: gpu, device: core, replicas: 4 }]"),
    "cluster.placement.0.device",
    /has no device of kind "core"/,
    "placement",
  ],
  [
    "a placement of other counts",
    REPLICAS,
    placed("[{ task: a, node: gpu, replicas: 3 }]"),
    "cluster.placement.0",
    /"a" has 4 replicas, but 3 are placed/,
    "placement",
  ],
  [
    "a placement beyond a node's slots",
    REPLICAS,
    placed("[{ task: c, node: cpu, replicas: 3 }]"),
    "cluster.placement.0",
    /3 replicas, but node cpu has 2 device slots/,
    "placement",
  ],
  [
    "a placement beyond a machine's slots",
    "a: 4, b: 2, c: 3 }",
    "a: 5, b: 2, c: 3 }\n  placement: [{ task: a, node: gpu-1, replicas: 5 }]",
    "cluster.placement.0",
    /5 replicas, but node gpu-1 has 4/,
    "placement",
  ],
];

describe("the cluster is checked", () => {
  test.each(WRONG)("%s", (_sentence, from, to, path, message, part) => {
    const text = replaced(RICH, from, to);
    const issues = richIssues(text);
    const issue = issues.find((candidate) => candidate.path === path);
    expect(issue, JSON.stringify(issues)).toBeDefined();
    expect(issue?.message).toMatch(message);
    expect(issue).toMatchObject({ file: "good.yaml", line: lineWith(text, part) });
  });
});
