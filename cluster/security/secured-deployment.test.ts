import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { request as requestHttp } from "node:http";
import { join } from "node:path";
import { connect } from "node:tls";
import { Client, type Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { IS_LONG } from "../../checks/support/test-form.test-support.ts";
import { type Deployment, startDeployment } from "../deploy/deployment.ts";
import { deployed } from "../deployed.test-support.ts";
import { eventually, NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { runLoad } from "../load/run-load.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import { InferenceClient, InferStream } from "../protocol/client.ts";
import { roleOfMethod } from "../protocol/grpc-guard.ts";
import { INFERENCE_SERVICE } from "../protocol/infer-codec.ts";
import { createToken, type RequiredRole } from "./access.ts";
import {
  type ClientAccess,
  type ClientTls,
  callMetadata,
  channelCredentials,
  clientTls,
  getJson,
  NO_ACCESS,
  nameOptions,
  postJson,
  getText as textOf,
} from "./client-access.ts";
import { type CertificateRole, readAuthority, readIdentity, writeCertificates } from "./tls.ts";

const OPTIONS = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "onnx" as const };
const CALLERS = ["nobody", "stranger", "infer token", "client certificate", "admin token"] as const;
type Caller = (typeof CALLERS)[number];
/** Two pairs of callers have the same rights. */
const ROLES = IS_LONG ? CALLERS : (["nobody", "infer token", "admin token"] as const);

interface Operation {
  readonly "x-role": RequiredRole;
  readonly security: readonly object[];
}

interface OpenApiDocument {
  readonly paths: Record<string, { readonly get?: Operation; readonly post?: Operation }>;
  readonly components: { readonly securitySchemes: Record<string, object> };
}

const folder = temporaryFolder("secured");
const certificates = join(folder, "certs");
const tokens = join(folder, "tokens.txt");
let deployment: Deployment;
let access: Record<Caller | "admin certificate", ClientAccess>;

beforeAll(async () => {
  await writeCertificates(certificates, { hosts: [], days: 1, force: false, newAuthority: false });
  const [infer, admin] = [createToken("infer", "one"), createToken("admin", "two")];
  writeFileSync(tokens, `${infer.line}\n${admin.line}\n`);
  const tls = (role: "client" | "admin" | null) => tlsOf(role, "gateway");
  access = {
    nobody: { tls: tls(null), token: null },
    stranger: { tls: tls(null), token: createToken("admin", "").token },
    "infer token": { tls: tls(null), token: infer.token },
    "client certificate": { tls: tls("client"), token: null },
    "admin token": { tls: tls(null), token: admin.token },
    "admin certificate": { tls: tls("admin"), token: null },
  };
  deployment = await startDeployment({ ...OPTIONS, certificates, tokens });
});
afterAll(() => deployment?.stop());

/** 0: may; otherwise what the refusal is. */
function expected(caller: Caller, required: RequiredRole): 0 | 401 | 403 {
  if (required === "public") return 0;
  if (caller === "nobody" || caller === "stranger") return 401;
  return required === "admin" && caller !== "admin token" ? 403 : 0;
}

describe("a deployment with certificates and tokens", () => {
  it.each(ROLES)("lets %s use the routes of its role, and no others", async (caller) => {
    const routes = await documentedRoutes();
    expect(routes.length).toBeGreaterThan(6);
    // An administrator unloads the model here, and loads it again by the route after.
    for (const { method, path, role } of routes) {
      if (method !== "GET" && method !== "POST") continue;
      const url = deployment.gateway.http + path.replace(/\{\w+\}/g, "echo");
      const { status: given } =
        method === "GET"
          ? await getText(url, access[caller])
          : await postJson(url, { not: "right" }, access[caller]);
      const refused = given === 401 || given === 403 ? given : 0;
      expect(refused, `${method} ${path}`).toBe(expected(caller, role));
    }
  });

  it("counts the logins that it refuses, over REST and gRPC", async () => {
    const { http, grpc } = deployment.gateway;
    const logins = async (): Promise<number> => {
      const metrics = await textOf(`${http}/metrics`, access["admin token"]);
      return Number(/^tandem_logins_refused_total (\d+)$/m.exec(metrics)?.[1]);
    };
    const before = await logins();
    expect((await getText(`${http}/v2/models/echo`, access.stranger)).status).toBe(401);
    const client = new InferenceClient(grpc, access.stranger);
    await expect(client.modelMetadata({ name: "echo" })).rejects.toMatchObject({});
    client.close();
    expect(await logins()).toBe(before + 2);
  });

  it("shows strangers what it is and whether it runs, and nothing of what it does", async () => {
    const routes = await documentedRoutes();
    const shown = routes.filter(({ role }) => role === "public").map(({ path }) => path);
    expect([...new Set(shown)].sort()).toEqual([
      "/openapi.json",
      "/v2",
      "/v2/health/live",
      "/v2/health/ready",
      "/v2/models/{model}/ready",
      "/v2/models/{model}/versions/{version}/ready",
    ]);
  });

  it("tells in its OpenAPI document which routes ask for credentials, and how to show them", async () => {
    const { http } = deployment.gateway;
    const { value } = await getJson(`${http}/openapi.json`, access.nobody);
    const { paths, components } = value as unknown as OpenApiDocument;
    expect(components.securitySchemes).toMatchObject({
      token: { type: "http", scheme: "bearer" },
      certificate: { type: "mutualTLS" },
    });
    const found: Record<number, number> = {};
    for (const [path, { get }] of Object.entries(paths)) {
      if (get === undefined) continue;
      const { status: given } = await getText(
        http + path.replace(/\{\w+\}/g, "echo"),
        access.nobody,
      );
      const asked = given === 401 ? [{ token: [] }, { certificate: [] }] : [];
      expect(get.security, path).toEqual(asked);
      found[asked.length] = (found[asked.length] ?? 0) + 1;
    }
    expect(found).toEqual({ 0: expect.any(Number), 2: expect.any(Number) });
  });

  it.each(ROLES)("lets %s call the methods of its role, and no others", async (caller) => {
    const { grpc } = deployment.gateway;
    const credentials = channelCredentials(access[caller], grpc);
    const client = new Client(grpc, credentials, nameOptions(access[caller], grpc));
    try {
      for (const { path } of Object.values(INFERENCE_SERVICE)) {
        const code = await codeOf(client, path, callMetadata(access[caller]));
        const wanted = { 0: null, 401: status.UNAUTHENTICATED, 403: status.PERMISSION_DENIED };
        const refused =
          code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED ? code : null;
        expect(refused, path).toBe(wanted[expected(caller, roleOfMethod(path))]);
      }
    } finally {
      client.close();
    }
  });

  it("answers inference over both sides, and is driven by its load generator", async () => {
    const token = access["infer token"].token ?? "";
    const payload = payloadRequest(Buffer.from("x"));
    const client = new InferenceClient(deployment.gateway.grpc, access["client certificate"]);
    const given = await client.inferAsync({ modelName: "echo", ...payload });
    client.close();
    expect(given.outputs[0].name).toBe("output");
    const result = await runLoad({
      target: {
        kind: "grpc",
        streamed: true,
        address: deployment.gateway.grpc,
        requests: [[payload]],
        access: { tls: { ca: readAuthority(certificates), pair: null, server: null }, token },
      },
      pipelines: [{ name: "echo", share: 1 }],
      workload: OPTIONS.document.workload,
      seed: "1",
    });
    expect(result.errors).toEqual([]);
    expect(result.requests).toBe(20);
    const run = await getJson(`${deployment.gateway.http}/run`, access["admin certificate"]);
    expect(run.status).toBe(200);
  });

  it("is refused by whoever does not know its authority, and speaks no plain text", async () => {
    const [, port] = deployment.gateway.http.split(/:(?=\d+$)/);
    await expect(getJson(`http://127.0.0.1:${port}/v2`)).rejects.toThrow("does not answer");
    await expect(getJson(deployment.gateway.http)).rejects.toThrow("does not answer");
    const plain = new InferenceClient(deployment.gateway.grpc);
    await expect(plain.ask("ServerLive", {})).rejects.toMatchObject({ code: "cluster-failure" });
    plain.close();
  });

  it.each(["client", "admin", "worker", null] as const)(
    "has workers that no one but the gateway reaches: not with the certificate of %s",
    async (role) => {
      const [{ address }] = deployment.workers;
      const client = new InferenceClient(address, { tls: tlsOf(role, "worker"), token: null });
      await expect(client.ask("ServerLive", {})).rejects.toMatchObject({ code: "cluster-failure" });
      client.close();
      const plain = new InferenceClient(address);
      await expect(plain.ask("ServerLive", {})).rejects.toMatchObject({ code: "cluster-failure" });
      plain.close();
      expect(await opensStream(address, { tls: tlsOf(role, "worker"), token: null })).toBe(false);
      expect(await opensStream(address, NO_ACCESS)).toBe(false);
    },
  );

  it("has workers that accept a stream of batches from the gateway's certificate", async () => {
    const [{ address }] = deployment.workers;
    const tls = clientTls(readIdentity(certificates, "gateway"), "worker");
    expect(await opensStream(address, { tls, token: null })).toBe(true);
  });

  if (IS_LONG) {
    it("knows new tokens and shows new certificates without a restart", async () => {
      const { pid } = deployment.gateway;
      const { token, line } = createToken("infer", "new");
      const shown = { tls: access.nobody.tls, token };
      const url = `${deployment.gateway.http}/v2/models/echo`;
      expect((await getJson(url, shown)).status).toBe(401);
      appendFileSync(tokens, `${line}\n`);
      expect(await eventually(async () => (await getJson(url, shown)).status === 200)).toBe(true);

      const before = await serialNumber();
      await writeCertificates(certificates, {
        hosts: [],
        days: 1,
        force: true,
        newAuthority: false,
      });
      expect(await eventually(async () => (await serialNumber()) !== before)).toBe(true);
      expect((await getJson(url, shown)).status).toBe(200);

      writeFileSync(tokens, "nonsense\n");
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect((await getJson(url, shown)).status).toBe(200);
      expect(deployment.gateway.pid).toBe(pid);
    });
  }

  it("says what is wrong with its files before it starts anything", async () => {
    const missing = startDeployment({ ...OPTIONS, certificates: join(folder, "none") });
    await expect(missing).rejects.toThrow("gateway.crt");
    writeFileSync(join(folder, "bad.txt"), "admin 123\n");
    const bad = startDeployment({ ...OPTIONS, tokens: join(folder, "bad.txt") });
    await expect(bad).rejects.toThrow("SHA-256");
  });
});

describe("a deployment without credentials", () => {
  const open = deployed(OPTIONS);

  it.each([
    ["another origin", { origin: "https://evil.example" }],
    ["a page in a sandbox", { origin: "null" }],
    ["a neighbour's port", { origin: "http://127.0.0.1:1" }],
    ["a link on a foreign page", { "sec-fetch-site": "cross-site" }],
    ["a name made to stand for loopback", { host: "rebound.example:8000" }],
    ["a name that only looks like loopback", { host: "127.0.0.1.rebound.example" }],
  ])("does not do what a web page asks for: from %s", async (_, headers) => {
    expect(await plain("/run", headers)).toBe(403);
    expect(await plain("/v2/models/echo", headers)).toBe(403);
    expect(await plain("/v2/health/live", headers)).toBe(200);
  });

  it("serves programs on this machine, and its own pages", async () => {
    const { host } = new URL(open.http);
    expect(await plain("/run", {})).toBe(200);
    expect(await plain("/run", { host: `localhost:${host.split(":")[1]}` })).toBe(200);
    expect(await plain("/run", { host: "[::1]:80" })).toBe(200);
    const own = { origin: open.http, "sec-fetch-site": "same-origin" };
    expect(await plain("/run", own)).toBe(200);
  });

  function plain(path: string, headers: Record<string, string>): Promise<number> {
    return new Promise((resolve, reject) => {
      requestHttp(open.http + path, { headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on("error", reject)
        .end();
    });
  }
});

/** Whether a worker accepts a stream of batches, or refuses it. */
async function opensStream(address: string, given: ClientAccess): Promise<boolean> {
  const client = new InferenceClient(address, given);
  try {
    return await new Promise<boolean>((resolve) => {
      new InferStream(client, { opened: () => resolve(true), ended: () => resolve(false) });
    });
  } finally {
    client.close();
  }
}

function tlsOf(role: CertificateRole | null, server: CertificateRole): ClientTls {
  if (role !== null) return clientTls(readIdentity(certificates, role), server);
  return { ca: readAuthority(certificates), pair: null, server };
}

async function documentedRoutes(): Promise<{ method: string; path: string; role: RequiredRole }[]> {
  const { value } = await getJson(`${deployment.gateway.http}/openapi.json`, access.nobody);
  const { paths } = value as unknown as OpenApiDocument;
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      role: (operation as Operation)["x-role"],
    })),
  );
}

/** Status only: not every answer is JSON. */
async function getText(url: string, shown: ClientAccess): Promise<{ status: number }> {
  try {
    return await getJson(url, shown);
  } catch (error) {
    const [, code] = /status (\d+)/.exec((error as Error).message) ?? [];
    if (code === undefined) throw error;
    return { status: Number(code) };
  }
}

/** How a call without a message ends. */
function codeOf(client: Client, path: string, metadata: Metadata): Promise<number> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata, {});
    call.on("status", ({ code }) => resolve(code));
    call.on("error", () => undefined);
    call.resume();
    call.end();
  });
}

function serialNumber(): Promise<string> {
  const { hostname, port } = new URL(deployment.gateway.http);
  const ca = readFileSync(join(certificates, "ca.crt"));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca, servername: "localhost" });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
  });
}
