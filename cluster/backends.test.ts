import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { another, chain, saidBy, writeServer } from "./backends.test-support.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually, isRunning } from "./deployment.test-support.ts";
import { reportOf } from "./faults.test-support.ts";
import { postJson } from "./security/client-access.ts";

const folder = temporaryFolder("backends");
const inputs = { profiles: {}, folder };

describe("a command that serves a model", () => {
  const run = [process.execPath, writeServer(folder), "{port}"];
  const document = chain({ only: { command: { run, model: "upper" } } });
  const own = deployed({ document, inputs, backend: "process" });

  it("answers wrong requests with an error, and its replica stays up", async () => {
    await expect(saidBy(own.deployment, "trouble")).rejects.toMatchObject({
      code: "cluster-failure",
      message: expect.stringMatching(/inner trouble$/),
    });
    expect(await reportOf(own.deployment)).toMatchObject({ replicas: [{ up: true, losses: 0 }] });
    expect((await saidBy(own.deployment, "abc"))[0]).toBe("ABC");
  });

  it("runs for one batch in eight of a warm-up, and for each batch after it", async () => {
    const { http } = own.deployment.gateway;
    const started = async (warmUp: boolean) =>
      expect((await postJson(`${http}/run`, { seed: "test", warmUp })).status).toBe(200);
    const answers: string[] = [];
    await started(true);
    for (const text of "abcdefghi") answers.push((await saidBy(own.deployment, text))[0]);
    expect(answers.join("")).toBe("AAAAAAAHH");
    await started(false);
    expect((await saidBy(own.deployment, "z"))[0]).toBe("Z");
  });

  it("ends with its worker, also when that is killed at once, and with its deployment", async () => {
    const [, pid] = await saidBy(own.deployment, "abc");
    process.kill(own.deployment.workers[0].pid, "SIGKILL");
    expect(await eventually(() => !isRunning(pid))).toBe(true);
    const last = await another(own.deployment, pid);
    expect(isRunning(last)).toBe(true);
    await own.deployment.stop();
    expect(await eventually(() => !isRunning(last))).toBe(true);
  });
});
