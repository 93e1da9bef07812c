/** The deployment and its choices as data, for programs and the web app that show them. */
import { z } from "zod";
import type { Gateway } from "../run/gateway.ts";
import { type App, describer } from "./route.ts";

const schedulersSchema = z
  .looseObject({
    schema: z.string(),
    presets: z.array(z.looseObject({ name: z.string(), summary: z.string() })),
    policies: z.array(z.looseObject({ name: z.string(), decision: z.string() })),
  })
  .describe("as `tandem schedulers --json` prints them");

const scenarioSchema = z
  .strictObject({
    document: z.looseObject({ name: z.string() }).describe("the scenario, with its defaults"),
    profiles: z.record(z.string(), z.unknown()).describe("measured times, by the path as written"),
    overheadProfile: z.unknown().optional(),
    room: z.record(z.string(), z.int()).describe("how many replicas each task can have"),
  })
  .describe("what is deployed");

export function addDescriptionRoutes(app: App, gateway: Gateway): void {
  const describe = describer("admin", "about");
  app.get(
    "/v1/schedulers",
    describe("listSchedulers", "Every preset and policy, with its parameters", schedulersSchema),
    async () => {
      const { catalogue } = await import("../../schedulers/catalogue.ts");
      return { ...catalogue() };
    },
  );
  app.get(
    "/v1/scenario",
    describe("getScenario", "The deployment's scenario and measured times", scenarioSchema),
    () => {
      const { document, inputs } = gateway.specification;
      const { profiles, overheadProfile } = inputs;
      const { pools, replicas } = gateway.system;
      const room = Object.fromEntries(
        pools.map(({ name }, pool) => [name, replicas.filter((one) => one.pool === pool).length]),
      );
      return { document, profiles, overheadProfile, room };
    },
  );
}
