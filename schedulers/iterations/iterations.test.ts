import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type EngineLimits,
  type IterationPolicy,
  newSequence,
  type Sequence,
  type Share,
  TokenEngine,
} from "../../engine/tokens/token-engine.ts";
import { DISTSERVE_DECODE } from "./distserve.ts";
import { SARATHI } from "./sarathi.ts";
import { vllm } from "./vllm.ts";
import { VLLM_PRIORITY } from "./vllm-priority.ts";
import { VLLM_V0 } from "./vllm-v0.ts";
import { VTC } from "./vtc.ts";

const POLICIES: readonly IterationPolicy[] = [
  vllm(),
  VLLM_PRIORITY.create(),
  VTC.create(),
  VLLM_V0.create(),
  SARATHI.create(),
  DISTSERVE_DECODE.create(),
];

interface Asked {
  readonly prompt: number;
  readonly output: number;
  /** Iterations before it comes. */
  readonly after: number;
  readonly priority: number;
  /** Sequences of one group begin alike. */
  readonly group: number;
}

const LIMITS: EngineLimits = {
  maxSequences: 4,
  maxBatchedTokens: 64,
  blocks: 24,
  blockTokens: 4,
  prefixCaching: false,
};

/** Plays to the end; by sequence, the iteration in which it ended, and all shares of each iteration. */
function play(policy: IterationPolicy, limits: EngineLimits, asked: readonly Asked[]) {
  const engine = new TokenEngine(limits, policy);
  const ended = new Map<number, number>();
  const iterations: (readonly (readonly [id: number, tokens: number])[])[] = [];
  const open = new Set<Sequence>();
  for (let at = 0; ; at++) {
    expect(at).toBeLessThan(20_000);
    asked.forEach((one, id) => {
      if (one.after !== at) return;
      const contentOf = (block: number): number => one.group * 1000 + block;
      const sequence = newSequence(id, one.prompt, at, {
        priority: one.priority,
        client: one.group,
        contentOf,
      });
      open.add(sequence);
      engine.add(sequence);
    });
    const shares = engine.plan();
    iterations.push(shares.map(({ sequence, tokens }) => [sequence.id, tokens]));
    check(engine, limits, shares, open);
    for (const sequence of engine.ended(shares)) {
      if (sequence.made < asked[sequence.id].output) continue;
      engine.remove(sequence);
      open.delete(sequence);
      ended.set(sequence.id, at);
    }
    if (open.size === 0 && asked.every(({ after }) => after <= at)) break;
  }
  return { engine, ended, iterations };
}

function check(
  engine: TokenEngine,
  limits: EngineLimits,
  shares: ReturnType<TokenEngine["plan"]>,
  open: ReadonlySet<Sequence>,
): void {
  expect(engine.running.length).toBeLessThanOrEqual(limits.maxSequences);
  const tokens = shares.reduce((sum, share) => sum + share.tokens, 0);
  expect(tokens).toBeLessThanOrEqual(limits.maxBatchedTokens);
  expect(new Set(shares.map(({ sequence }) => sequence)).size).toBe(shares.length);
  const isHeld = ({ sequence, tokens: own }: Share): boolean =>
    own > 0 && sequence.blocks.length * limits.blockTokens >= sequence.computed + own;
  expect(shares.every(isHeld)).toBe(true);
  if (!limits.prefixCaching) {
    const held = [...open].reduce((sum, { blocks }) => sum + blocks.length, 0);
    expect(engine.freeBlocks + held).toBe(limits.blocks);
  }
  // An iteration runs as long as a sequence waits.
  if (open.size > 0) expect(shares.length).toBeGreaterThan(0);
}

const asked = fc.array(
  fc.record({
    prompt: fc.integer({ min: 1, max: 60 }),
    output: fc.integer({ min: 1, max: 24 }),
    after: fc.integer({ min: 0, max: 30 }),
    priority: fc.integer({ min: 0, max: 2 }),
    group: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 12 },
);

describe.each(POLICIES)("$name", (policy) => {
  test.each([false, true])("every sequence ends, and all blocks are free (kept: %s)", (kept) => {
    fc.assert(
      fc.property(asked, (drawn) => {
        const limits = { ...LIMITS, prefixCaching: kept };
        const held = new TokenEngine(limits, policy);
        const all = drawn.filter(({ prompt, output }) => held.holds(prompt + output));
        fc.pre(all.length > 0);
        const { engine, ended } = play(policy, limits, all);
        expect(ended.size).toBe(all.length);
        expect(engine.freeBlocks).toBe(LIMITS.blocks);
      }),
      { numRuns: 60 },
    );
  });

  test("a sequence alone takes an iteration a chunk of its prompt, and one a token after the first", () => {
    const one = { prompt: 60, output: 5, after: 0, priority: 0, group: 0 };
    const { iterations } = play(policy, LIMITS, [one]);
    expect(iterations).toEqual([[[0, 60]], [[0, 1]], [[0, 1]], [[0, 1]], [[0, 1]]]);
  });
});

const long = { prompt: 60, output: 2, after: 1, priority: 0, group: 1 };
const short = { prompt: 4, output: 8, after: 0, priority: 0, group: 0 };
const ROOMY = { ...LIMITS, blocks: 100, maxBatchedTokens: 20 };

test("vllm and sarathi run a prompt in chunks beside the sequences that make tokens", () => {
  for (const policy of [vllm(), SARATHI.create()]) {
    const { iterations } = play(policy, ROOMY, [short, long]);
    expect(iterations[1]).toEqual([
      [0, 1],
      [1, 19],
    ]);
    expect(iterations[2]).toEqual([
      [0, 1],
      [1, 19],
    ]);
  }
});

test("vllm-v0 stops all others for a prompt, which runs whole", () => {
  const { iterations } = play(VLLM_V0.create(), { ...ROOMY, maxBatchedTokens: 64 }, [short, long]);
  expect(iterations.slice(0, 3)).toEqual([
    [[0, 4]],
    [[1, 60]],
    [
      [0, 1],
      [1, 1],
    ],
  ]);
});

test("sarathi lets no chunk of an older prompt take the place of a token", () => {
  const old = { ...long, after: 0, output: 2 };
  const young = { ...short, prompt: 2, after: 0 };
  const { iterations } = play(SARATHI.create(), { ...ROOMY, maxBatchedTokens: 70 }, [young, old]);
  expect(iterations[0]).toEqual([
    [0, 2],
    [1, 60],
  ]);
});

test("with priorities the least urgent is preempted, else the last", () => {
  const tight = { ...LIMITS, blocks: 8, maxSequences: 3 };
  const all = [0, 1, 2].map((i) => {
    return { prompt: 8, output: 12, after: 0, priority: i === 0 ? 0 : 1, group: i };
  });
  const endOf = (policy: IterationPolicy): number[] => {
    const { ended, engine } = play(policy, tight, all);
    expect(engine.preemptions).toBeGreaterThan(0);
    return [0, 1, 2].map((id) => ended.get(id) ?? -1);
  };
  const byOrder = endOf(vllm());
  expect(byOrder[0]).toBeLessThan(byOrder[2]);
  const byUrgency = endOf(VLLM_PRIORITY.create());
  expect(byUrgency[0]).toBeGreaterThan(byUrgency[1]);
});

describe("vtc", () => {
  const one = { prompt: 8, output: 4, priority: 0 };
  const backlog = Array.from({ length: 8 }, () => ({ ...one, after: 0, group: 0 }));
  const single = { ...LIMITS, maxSequences: 1 };
  const order = (policy: IterationPolicy, asked: readonly Asked[]): number[] => [
    ...play(policy, single, asked).ended.keys(),
  ];

  test("serves a client that has been served less before the backlog of another", () => {
    const asked = [...backlog, { ...one, after: 10, group: 1 }];
    expect(order(vllm(), asked).indexOf(8)).toBe(8);
    expect(order(VTC.create(), asked).indexOf(8)).toBe(3);
  });

  test("admits clients in turn within an iteration", () => {
    const both = Array.from({ length: 8 }, (_, i) => ({ ...one, after: 0, group: i < 4 ? 0 : 1 }));
    const { iterations } = play(VTC.create(), { ...LIMITS, maxSequences: 4 }, both);
    expect(iterations[0].map(([id]) => (id < 4 ? 0 : 1))).toEqual([0, 1, 0, 1]);
  });

  test("gives no credit for the time in which a client asked for nothing", () => {
    // The second client comes late with a backlog of its own: from then on both are served in turn.
    const late = Array.from({ length: 4 }, () => ({ ...one, after: 10, group: 1 }));
    const served = order(VTC.create(), [...backlog, ...late]).map((id) => (id < 8 ? 0 : 1));
    expect(served.slice(0, 3)).toEqual([0, 0, 0]);
    expect(served.slice(3, 11).reduce<number>((sum, client) => sum + client, 0)).toBe(4);
    expect(served.slice(3, 7).toSorted()).toEqual([0, 0, 1, 1]);
  });
});

test("a sequence that begins like another computes only what is new", () => {
  const first = { prompt: 40, output: 2, after: 0, priority: 0, group: 0 };
  const later = { ...first, prompt: 42, after: 5 };
  const tokens = (prefixCaching: boolean): number => {
    const { iterations } = play(vllm(), { ...LIMITS, prefixCaching }, [first, later]);
    return iterations.flat().reduce((sum, [, own]) => sum + own, 0);
  };
  expect(tokens(false)).toBe(40 + 1 + 42 + 1);
  expect(tokens(true)).toBe(40 + 1 + 2 + 1);
});

test("a policy that runs prompts whole holds no sequence of more tokens than an iteration", () => {
  const holds = (policy: IterationPolicy, tokens: number): boolean =>
    new TokenEngine(LIMITS, policy).holds(tokens);
  expect([64, 65].map((tokens) => holds(VLLM_V0.create(), tokens))).toEqual([true, false]);
  expect([96, 97].map((tokens) => holds(vllm(), tokens))).toEqual([true, false]);
});

test("a sequence that nobody waits for leaves in the middle of an iteration", () => {
  const engine = new TokenEngine(LIMITS, vllm());
  const sequence = newSequence(0, 10, 0);
  engine.add(sequence);
  const shares = engine.plan();
  engine.remove(sequence);
  expect(engine.ended(shares)).toEqual([]);
  expect(engine.freeBlocks).toBe(LIMITS.blocks);
  engine.add(newSequence(1, 10, 0));
  engine.remove(engine.waiting[0]);
  expect(engine.plan()).toEqual([]);
});

test("a policy is a file of at most 60 lines", () => {
  const own = readdirSync(import.meta.dirname).filter((file) => !file.includes(".test."));
  const long = own.filter((file) => {
    const text = readFileSync(join(import.meta.dirname, file), "utf8");
    return text.trimEnd().split("\n").length > 60;
  });
  expect(long).toEqual([]);
});
