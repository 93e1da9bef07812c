/** What the web app measures with: requests sent from here, and pictures to send whose truth is known. */
import { z } from "zod";
import type { LoadTarget } from "../load/specification.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { type Measurement, measure, measurementSchema } from "./measurement.ts";
import { type App, contentOf, describer } from "./route.ts";

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
