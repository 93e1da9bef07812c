/**
 * `npm run fuzz`: sends malformed and hostile input to a real gateway with real workers, block by block, and after
 * each block a valid request on each side: no crash, no hang, no leak, each answered as it should.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { createToken } from "../../cluster/security/access.ts";
import { framed, MESSAGE } from "./arbitraries.ts";
import { AT_ONCE, type Block, blocks } from "./blocks.ts";
import {
  ECHO,
  type FuzzTarget,
  footprint,
  httpRequest,
  type Outcome,
  Sender,
  startTarget,
} from "./target.ts";

export type FuzzResult = Awaited<ReturnType<typeof fuzz>>;

/** The exit code where something was wrong. */
const FAILED = 4;
/** A gateway may have grown by so much after all of it: its heap is let grow before it is swept. */
const GROWTH_MIB = 192;
const FILES_LEFT = 8;
const SETTLE_MS = 3000;
const INFER = "/inference.GRPCInferenceService/ModelInfer";
/** A caller's mistake is never one of these. */
const SERVERS_FAULT: ReadonlySet<number> = new Set([
  status.UNKNOWN,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** Each block gets its share of the cases. Throws Fault("cluster-failure") when the deployment does not start. */
async function fuzz(cases: number, seed: number) {
  const directory = mkdtempSync(join(tmpdir(), "tandem-fuzz-"));
  const { token, line } = createToken("infer", "fuzz");
  const tokens = join(directory, "tokens.txt");
  writeFileSync(tokens, `${line}\n`, { mode: 0o600 });
  try {
    const target = await startTarget(token, tokens);
    try {
      return await run(target, cases, seed);
    } finally {
      await target.deployment.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function run(target: FuzzTarget, cases: number, seed: number) {
  const startMs = performance.now();
  const { pid } = target.deployment.gateway;
  const all = await blocks(target.token);
  // Warm, so that what is loaded once is no leak.
  for (const block of all) {
    if (block.atOnce === undefined) await runBlock(target, block, AT_ONCE * 4, seed - 1);
  }
  await sleep(SETTLE_MS);
  const before = footprint(pid);
  const results: Awaited<ReturnType<typeof runBlock>>[] = [];
  for (const block of all) {
    const result = await runBlock(target, block, Math.ceil(cases * block.share), seed);
    results.push(result);
    const found = result.failure ?? "as it should be";
    process.stderr.write(`${result.name}: ${result.cases} cases, ${found}\n`);
  }
  await sleep(SETTLE_MS);
  const after = footprint(pid);
  /** Failures of the whole run: ended processes, leaks. */
  const failures = target.deployment.crashes.map(
    ({ name, code, signal, stderrTail }) => `${name} ended (${signal ?? code}): ${stderrTail}`,
  );
  if (before !== null && after !== null) {
    const grown = after.rssMib - before.rssMib;
    if (grown > GROWTH_MIB) failures.push(`the gateway grew by ${grown.toFixed(0)} MiB`);
    const left = after.files - before.files;
    if (left > FILES_LEFT) failures.push(`the gateway kept ${left} more files and sockets open`);
  }
  return {
    cases: results.reduce((sum, result) => sum + result.cases, 0),
    seed,
    blocks: results,
    failures,
    seconds: (performance.now() - startMs) / 1000,
    rssMib: before && after && { before: before.rssMib, after: after.rssMib },
    files: before && after && { before: before.files, after: after.files },
  };
}

/** Cases are sent sixteen at a time; one that fails is shrunk by itself. */
async function runBlock(target: FuzzTarget, block: Block, cases: number, seed: number) {
  const sender = new Sender(target);
  const { atOnce = AT_ONCE, closing = false } = block;
  const answers: Record<string, number> = {};
  let sent = 0;
  const list = fc.array(block.cases, {
    minLength: Math.min(cases, atOnce),
    maxLength: atOnce,
    size: "max",
  });
  const property = fc.asyncProperty(list, async (given) => {
    const wrong = await Promise.all(
      given.map(async (one) => {
        sent++;
        const outcome = await sender.send(one);
        answers[labelOf(outcome)] = (answers[labelOf(outcome)] ?? 0) + 1;
        return problemOf(outcome, closing);
      }),
    );
    const [first] = wrong.filter((problem) => problem !== null);
    if (first !== undefined) throw new Error(first);
  });
  let failure: string | null = null;
  for (let part = 0; sent < cases && failure === null; part++) {
    const numRuns = Math.ceil((cases - sent) / atOnce);
    const given = { seed: seed + part, numRuns, endOnFailure: false };
    const details = await fc.check(property, { ...given, interruptAfterTimeLimit: 900_000 });
    // The reason first: a counterexample may be long.
    if (details.failed) {
      failure = `${details.errorInstance}: ${fc.defaultReportMessage(details)}`.slice(0, 2000);
    }
  }
  sender.close();
  failure ??= await validAnswers(target);
  return { name: block.name, cases: sent, answers, failure };
}

/** A valid request on each side still gets its answer; otherwise what it got. */
async function validAnswers(target: FuzzTarget): Promise<string | null> {
  const sender = new Sender(target);
  const data = framed(MESSAGE);
  const byGrpc = await sender.send({ kind: "grpc", path: INFER, headers: {}, data });
  const headers = { authorization: `Bearer ${target.token}`, "content-type": "image/png" };
  const asked = httpRequest("POST", `/v2/models/${ECHO}/infer`, headers, Buffer.from("x"));
  const byRest = await sender.send(asked);
  sender.close();
  const { gateway, crashes } = target.deployment;
  if (crashes.length > 0) return `${crashes[0].name} ended: ${crashes[0].stderrTail}`;
  const fine = byGrpc.kind === "grpc" && byGrpc.code === 0 && labelOf(byRest) === "HTTP 200";
  if (fine) return null;
  return `afterwards a valid request was answered ${labelOf(byGrpc)}, ${labelOf(byRest)} (gateway ${gateway.pid})`;
}

function labelOf(outcome: Outcome): string {
  if (outcome.kind === "http") return `HTTP ${outcome.status}`;
  return outcome.kind === "grpc"
    ? (status[outcome.code] ?? `status ${outcome.code}`)
    : outcome.kind;
}

function problemOf(outcome: Outcome, closing: boolean): string | null {
  switch (outcome.kind) {
    case "http":
      return outcome.status < 500 ? null : `HTTP ${outcome.status}: ${outcome.text}`;
    case "grpc":
      return SERVERS_FAULT.has(outcome.code) ? `${labelOf(outcome)}: ${outcome.text}` : null;
    case "closed":
      return closing ? null : "the connection was closed without an answer";
    case "hang":
      return "no answer in time";
  }
}

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
if (values.help || !(cases >= 100) || !Number.isInteger(seed)) {
  process.stdout.write(
    "npm run fuzz -- [--cases N, at least 100] [--seed S] [--json]\n\nExamples:\n  npm run fuzz\n  npm run fuzz -- --cases 5000 --seed 7\n",
  );
  process.exit(values.help ? 0 : 2);
}
// All started processes end with this process.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
const result = await fuzz(cases, seed);
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${text(result)}\n`);
const sound =
  result.failures.length === 0 && result.blocks.every(({ failure }) => failure === null);
process.exitCode = sound ? 0 : FAILED;

function text({ cases, seed, seconds, blocks, failures, rssMib, files }: FuzzResult): string {
  const lines = blocks.map(({ name, cases, answers, failure }) => {
    const given = Object.entries(answers).sort(([, a], [, b]) => b - a);
    const told = given.map(([answer, count]) => `${answer} ${count}`).join(", ");
    return `${failure === null ? "sound " : "FAILED"} ${name}, ${cases}: ${told}${failure === null ? "" : `\n${failure}`}`;
  });
  const grown = rssMib && `gateway ${rssMib.before.toFixed(0)} -> ${rssMib.after.toFixed(0)} MiB`;
  const open = files && `open files ${files.before} -> ${files.after}`;
  return [
    ...lines,
    `${cases} cases in ${seconds.toFixed(0)} s, seed ${seed}${grown === null ? "" : `; ${grown}, ${open}`}`,
    ...failures.map((failure) => `FAILED: ${failure}`),
  ].join("\n");
}
