/** Processes that SIGSTOP stops in the middle of a run. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { needs } from "../../checks/support/needs.test-support.ts";
import type { Deployment } from "../deploy/deployment.ts";
import { faultOf, isRunning, twoTasks, withDeployment } from "../deployment.test-support.ts";
import { run } from "../measured-run.test-support.ts";

/** Signs of life come each second; a busy machine may delay some. */
const SILENCE_MS = 5000;
const WORKLOAD = { arrivals: "poisson", ratePerS: 50, durationS: 600 };

/** This process's load generator. */
function generatorPid(): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return Number(pids.find((pid) => parentOf(pid) === process.pid && isGenerator(pid)));
}

function parentOf(pid: string): number {
  const stat = readProc(pid, "stat");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

const isGenerator = (pid: string): boolean => readProc(pid, "cmdline").includes("load/main");

/** Empty once it has ended. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** A run whose process `pidOf` gets a signal after some requests, and which process that was. */
async function stoppedRun(
  deployment: Deployment,
  pidOf: () => number,
  signal: "SIGSTOP" | "SIGKILL" = "SIGSTOP",
) {
  let pid = 0;
  const running = run(deployment, twoTasks({ workload: WORKLOAD }), {
    silenceMs: SILENCE_MS,
    onProgress: ({ sent }) => {
      if (pid !== 0 || sent < 20) return;
      pid = pidOf();
      process.kill(pid, signal);
    },
  });
  return { fault: await faultOf(running), pid };
}

describe("a measured run", () => {
  it.skipIf(!needs("Linux", process.platform === "linux"))(
    "ends when its load generator is stopped, and ends the generator",
    async () => {
      const document = twoTasks();
      await withDeployment({ document, backend: "replay" }, async (deployment) => {
        const { fault, pid } = await stoppedRun(deployment, generatorPid);
        expect(fault.code).toBe("cluster-failure");
        expect(fault.message).toBe(`the load generator (pid ${pid}) has said nothing for 5 s`);
        expect(isRunning(pid)).toBe(false);
        // The deployment is as good as before.
        expect((await run(deployment, document)).outcomes.completed).toBe(60);
      });
    },
  );

  it("ends with an error when the gateway is stopped", async () => {
    await withDeployment({ document: twoTasks(), backend: "replay" }, async (deployment) => {
      const { fault, pid } = await stoppedRun(deployment, () => deployment.gateway.pid);
      process.kill(pid, "SIGCONT");
      expect(fault.code).toBe("cluster-failure");
      expect(fault.message).toBe(`the gateway (pid ${pid}) has said nothing for 5 s`);
      expect(fault.hint).toMatch(/run it again/);
    });
  });

  it("ends with an error when the gateway, or its machine, is gone for good", async () => {
    const once = { document: twoTasks(), backend: "replay", restart: false } as const;
    await withDeployment(once, async (deployment) => {
      const { fault } = await stoppedRun(deployment, () => deployment.gateway.pid, "SIGKILL");
      expect(fault.code).toBe("cluster-failure");
      expect(fault.message).toBe("the deployment is gone: gateway");
    });
  });

  it("goes on while its processes are only alive", async () => {
    const taking = (meanMs: number) => ({ service: { distribution: "deterministic", meanMs } });
    const document = twoTasks({
      models: { detector: taking(SILENCE_MS + 2000), reader: taking(1) },
      workload: { arrivals: "burst", requests: 1 },
    });
    await withDeployment({ document, backend: "replay" }, async (deployment) => {
      const { outcomes } = await run(deployment, document, { silenceMs: SILENCE_MS });
      expect(outcomes.completed).toBe(1);
    });
  });
});
