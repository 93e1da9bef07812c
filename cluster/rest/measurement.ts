/**
 * A measurement for the web app: a workload sent from here, each answer a line of the one response.
 * A browser opens six connections to a server, so its own calls would wait in the browser.
 */
import { PassThrough, type Readable } from "node:stream";
import { z } from "zod";
import { expectedRequests } from "../../engine/arrivals/arrival-source.ts";
import { Fault } from "../../engine/basics/fault.ts";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import { callPipeline } from "../front/pipeline-call.ts";
import { isPayload, OUTPUT, type PipelineModels } from "../front/pipeline-models.ts";
import { LoadGenerator } from "../load/load-generator.ts";
import type { LoadAnswer, LoadTarget } from "../load/specification.ts";
import { payloadRequest, randomTensors, rawRequest } from "../load/tensor-inputs.ts";
import type { MeasurementLine } from "../observe/gateway-status.ts";
import type { RequestContents } from "../protocol/messages.ts";
import { outputText } from "../protocol/tensors.ts";
import { LIMITS } from "../security/limits.ts";
import { monotonicUs, PreciseTimer } from "../time/clock.ts";
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

interface MeasuredBy {
  readonly timer: PreciseTimer;
  /** Where the times are taken, in words. */
  readonly timedBy: string;
  /** Called when the measurement has ended. */
  readonly onEnd?: () => void;
}

/** Lines of JSON. Destroying the stream ends the measurement. Throws Fault("invalid-input"). */
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
    workload,
    seed,
    traceUs: null,
    timeScale: 1,
    numbered: false,
    warmUp: false,
    pipelines: [{ name: model, share: 1 }],
    target: null as never,
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
      write({ kind: "error", error: error.message, hint });
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
  return { outcome, error: error?.slice(0, LIMITS.errorLength), body };
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

/** The gateway's own pipelines, timed without HTTP: it submits their requests itself. */
export function gatewayMeasuring(models: PipelineModels): MeasureOptions {
  return {
    target: async ({ model, payloads }) => gatewayTarget(models, model, payloads),
    timedBy: "the gateway, without HTTP",
  };
}

/** `payloads` in base64; none: tensors at random where the pipeline takes tensors. */
function gatewayTarget(
  models: PipelineModels,
  modelName: string,
  payloads: readonly string[],
): LoadTarget {
  let contents: readonly RequestContents[] = payloads.map((text) =>
    payloadRequest(Buffer.from(text, "base64")),
  );
  // The JSON of the tasks, also where the last of them give tensors.
  const asked = { modelName, outputs: [{ name: OUTPUT }] };
  return {
    /** Rejects with Fault("not-found") for an unknown model. */
    async connect() {
      const pipeline = models.named(modelName);
      if (contents.length > 0) return;
      await pipeline.learn();
      const { inputs } = pipeline.metadata;
      const takesPayload = inputs.length === 1 && isPayload(inputs[0]);
      contents = [
        takesPayload
          ? payloadRequest(Buffer.alloc(0))
          : rawRequest(randomTensors(inputs, "measure")),
      ];
    },
    send({ request: number }, ended) {
      const request = { ...asked, ...contents[number % contents.length] };
      const answer: Parameters<typeof callPipeline>[2] = (error, response, outcome) => {
        if (response !== null) {
          ended({ outcome, status: "OK", error: null, body: outputText(response) });
          return;
        }
        const message = error?.message ?? "no answer";
        ended({ outcome, status: message, error: message });
      };
      try {
        return callPipeline(models, { request, deadlineMs: undefined }, answer);
      } catch (error) {
        // Later, as an answer: the caller may send its next request at once.
        setImmediate(() => answer(error as Fault, null, "refused"));
        return () => undefined;
      }
    },
    close: async () => undefined,
  };
}

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
  const drawn = await drawScenes({ count: 8, carShare: 0.75, seed: "web" });
  const inBase64 = (png: Uint8Array): string => Buffer.from(png).toString("base64");
  return { scenes: drawn.map(({ png, truth }) => ({ png: inBase64(png), ...truth })) };
}
