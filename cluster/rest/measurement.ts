/**
 * A measurement for the web app: a workload sent from here, each answer a line of the one response.
 * A browser opens six connections to a server, so its own calls would wait in the browser.
 */

import { PassThrough, type Readable } from "node:stream";
import { z } from "zod";
import { expectedRequests } from "../../core/arrivals/extent.ts";
import { Fault } from "../../core/fault.ts";
import type { MeasurementLine } from "../../core/measurement-line.ts";
import { workloadSchema } from "../../core/scenario/schema/workload.ts";
import { LoadGenerator } from "../load/load-generator.ts";
import type { LoadAnswer, LoadTarget } from "../load/specification.ts";
import { LIMITS } from "../security/limits.ts";
import { monotonicUs } from "../time/monotonic.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { type App, contentOf, describer } from "./route.ts";

/** Bounds of one measurement: a page shows no more. */
const BOUNDS = { ratePerS: 5000, requests: 100_000, waiting: 4096 } as const;
const MAX_PAYLOADS = 64;
/** A line tells that the measurement goes on. */
const BEAT_MS = 1000;
/** From the first line to the workload's time 0. */
const LEAD_US = 20_000;

export const measurementSchema = z
  .strictObject({
    model: z.string().max(LIMITS.nameLength).describe("a pipeline or a model of the server"),
    workload: workloadSchema.describe("as in a scenario"),
    payloads: z
      .array(z.base64().max(LIMITS.jsonBytes))
      .max(MAX_PAYLOADS)
      .default([])
      .describe("pictures, sent in turn; default: tensors at random, or an empty payload"),
    seed: z.string().max(LIMITS.nameLength).default("measure").describe("of the arrivals"),
  })
  .meta({ examples: [{ model: "vehicles", workload: { arrivals: "burst", requests: 2 } }] });

export type Measurement = z.output<typeof measurementSchema>;

export interface MeasuredBy {
  readonly timer: PreciseTimer;
  /** Where the times are taken, in words. */
  readonly timedBy: string;
  /** Called when the measurement has ended. */
  readonly onEnd?: () => void;
}

/**
 * The lines of a measurement, as JSON. It ends early when the stream is destroyed, as when the caller goes away.
 * Throws Fault("invalid-input") for a workload that this server does not send.
 */
export function measure(
  { model, workload, payloads, seed }: Measurement,
  target: LoadTarget,
  { timer, timedBy, onEnd }: MeasuredBy,
): Readable {
  checkWorkload(workload);
  const lines = new PassThrough();
  const write = (line: MeasurementLine): void => {
    if (lines.writable) lines.write(`${JSON.stringify(line)}\n`);
  };
  const startUs = monotonicUs() + LEAD_US;
  const sinceStartMs = (): number => (monotonicUs() - startUs) / 1000;
  const open = new Set<() => void>();
  const recording: LoadTarget = {
    connect: () => target.connect(),
    close: () => target.close(),
    send: (call, ended) => {
      const { request, intendedUs } = call;
      const sentMs = sinceStartMs();
      let isOpen = true;
      let isLate = false;
      let giveUp = (): void => undefined;
      giveUp = target.send(call, (answer) => {
        isOpen = false;
        open.delete(giveUp);
        const payload = payloads.length === 0 ? null : request % payloads.length;
        const times = { dueMs: intendedUs / 1000, sentMs, endedMs: sinceStartMs() };
        const line = isLate ? timedOut(workload) : told(answer);
        write({ kind: "answer", request, payload, ...times, ...line });
        ended(answer);
      });
      if (isOpen) open.add(giveUp);
      return () => {
        isLate = true;
        giveUp();
      };
    },
  };
  const specification = {
    ...{ workload, seed, traceUs: null, timeScale: 1, numbered: false, warmUp: false },
    ...{ pipelines: [{ name: model, share: 1 }], target: null as never },
  };
  const generator = new LoadGenerator(specification, recording, timer, BOUNDS);
  const beat = setInterval(() => {
    write({ kind: "beat", sent: generator.sent, ended: generator.ended });
  }, BEAT_MS);
  const end = (): void => {
    clearInterval(beat);
    lines.end();
    onEnd?.();
  };
  lines.once("close", () => {
    generator.stop();
    for (const giveUp of [...open]) giveUp();
  });
  write({ kind: "start", timedBy });
  generator
    .run(startUs)
    .then(({ requests, eventLoopDelayP99Ms: delayP99Ms }) => {
      write({ kind: "end", sent: requests, delayP99Ms });
    })
    .catch((error: Error) => {
      generator.stop();
      const hint = error instanceof Fault ? error.hint : undefined;
      write({ kind: "error", error: error.message, ...(hint === undefined ? {} : { hint }) });
    })
    .finally(end);
  return lines;
}

/** An answer that the workload's client did not wait for. */
function timedOut({ client }: Measurement["workload"]) {
  const limitS = (client?.timeoutMs ?? 0) / 1000;
  return { outcome: "timed out", error: `no answer within ${limitS} s` } as const;
}

function told({ outcome, error, body }: LoadAnswer) {
  return {
    outcome,
    ...(error === null ? {} : { error: error.slice(0, LIMITS.errorLength) }),
    ...(body === undefined ? {} : { body }),
  };
}

function checkWorkload(workload: Measurement["workload"]): void {
  if (workload.arrivals === "trace") {
    throw new Fault("invalid-input", "a trace is not sent from here: its file is elsewhere", {
      hint: "`tandem load SCENARIO --url URL` sends it",
    });
  }
  const requests = expectedRequests(workload);
  if (requests <= BOUNDS.requests) return;
  const message = `the workload has ${Math.round(requests)} requests, more than ${BOUNDS.requests}`;
  throw new Fault("invalid-input", message, {
    hint: "give a shorter duration; `tandem load` sends more",
  });
}

export interface MeasureOptions {
  /** `token`: the caller's bearer token. */
  readonly target: (measurement: Measurement, token: string | null) => Promise<LoadTarget>;
  /** Where the times are taken, in words. */
  readonly timedBy: string;
}

const SCENES = 8;

const scenesSchema = z
  .strictObject({
    scenes: z.array(
      z.strictObject({
        png: z.string().describe("base64"),
        car: z.boolean(),
        plate: z.string().nullable().describe("null: there is no car"),
      }),
    ),
  })
  .describe("drawn street scenes, always the same");

type Scenes = z.output<typeof scenesSchema>;

/** The scope takes JSON (`takeJson`). */
export function addMeasureRoutes(app: App, { target, timedBy }: MeasureOptions): void {
  const describe = describer("infer", "measure");
  let timer: PreciseTimer | null = null;
  app.addHook("onClose", async () => timer?.close());
  const lines = contentOf(
    { "application/jsonl": z.string() },
    "a line for each answer, as it comes",
  );
  app.post(
    "/v1/measure",
    describe("measure", "Send a workload from here, and stream the answers", lines, {
      description:
        "Lines of JSON: `start`, `answer` with its times and its JSON, `beat` each second, and `end` " +
        "or `error`. Closing the connection stops it.",
      body: measurementSchema,
    }),
    async ({ body, headers }, reply) => {
      const measurement = body as Measurement;
      const [, token = null] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "") ?? [];
      const to = await target(measurement, token);
      await to.connect();
      timer ??= new PreciseTimer();
      const stream = measure(measurement, to, { timer, timedBy, onEnd: () => void to.close() });
      return reply.type("application/jsonl").header("cache-control", "no-store").send(stream);
    },
  );
  let scenes: Promise<Scenes> | null = null;
  app.get(
    "/v1/scenes",
    describe("getScenes", "Pictures to send, with what is in them", scenesSchema),
    () => {
      scenes ??= drawnScenes();
      return scenes;
    },
  );
}

async function drawnScenes(): Promise<Scenes> {
  // Few callers ask for pictures, and the drawing library takes a while to load.
  const { drawScenes } = await import("../../models/scenes.ts");
  const drawn = await drawScenes({ count: SCENES, carShare: 0.75, seed: "web" });
  const scenes = drawn.map(({ png, truth }) => ({
    png: Buffer.from(png).toString("base64"),
    ...truth,
  }));
  return { scenes };
}
