import { expect, it } from "vitest";
import { withEndpoint } from "./http-endpoint.test-support.ts";
import { HttpTarget } from "./http-target.ts";
import { warmUp } from "./load-generator.ts";
import type { LoadSpecification } from "./specification.ts";

it("a target that stands still is given up and named, and sees its callers leave", async () => {
  let [come, gone] = [0, 0];
  await withEndpoint(
    (_request, response) => {
      come++;
      response.on("close", () => gone++);
    },
    async (url) => {
      const endpoints = [{ url, headers: {}, bodies: [] }];
      const access = { tls: false };
      const target = new HttpTarget({
        ...({ kind: "http", endpoints, method: "GET" } as const),
        ...{ connections: 4, access },
      });
      const pipelines = [{ name: "endpoint", share: 1 }];
      const ended = warmUp(target, { pipelines } as unknown as LoadSpecification, 300);
      await expect(ended).rejects.toThrow("has not answered a request of the warm-up within 0.3 s");
      await target.close();
    },
  );
  expect(come).toBeGreaterThan(0);
  expect(gone).toBe(come);
});
