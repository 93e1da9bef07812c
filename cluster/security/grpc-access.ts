/** Who may call what over gRPC, on the gateway and on workers. */
import { type AccessRules, OPEN, type RequiredRole } from "./access.ts";
import type { CertificateRole } from "./certificate-role.ts";
import type { IncomingBytes } from "./incoming-bytes.ts";
import type { ClientTimes } from "./limits.ts";
import type { SecurityFiles } from "./security-files.ts";

export interface GrpcAccess {
  readonly files: SecurityFiles;
  /** With TLS, connections of other roles are closed before their first call. */
  readonly onlyRole: CertificateRole | null;
  readonly rules: () => AccessRules;
  /** Who may use a method, by its path: /package.Service/Method. */
  readonly roleOf: (path: string) => RequiredRole;
  /** What callers are held to; null: the only one is trusted. */
  readonly held: CallerBounds | null;
}

/** Of one server, for all its callers. */
export interface CallerBounds {
  readonly times: ClientTimes;
  readonly incoming: IncomingBytes;
}

/** The gateway's callers are anyone: each call is looked at. */
export function gatewayAccess(files: SecurityFiles, held: CallerBounds): GrpcAccess {
  return { files, onlyRole: null, rules: () => files.rules, roleOf: roleOfMethod, held };
}

/** A worker's only caller is the gateway, whose connection says so. */
export function workerAccess(files: SecurityFiles): GrpcAccess {
  return {
    files,
    onlyRole: "gateway",
    rules: () => OPEN,
    roleOf: () => "public",
    held: null,
  };
}

const INFERENCE = "/inference.GRPCInferenceService/";
const PUBLIC: ReadonlySet<string> = new Set([
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.health.v1.Health/List",
  ...["ServerLive", "ServerReady", "ModelReady", "ServerMetadata"].map((m) => INFERENCE + m),
]);
const INFER: ReadonlySet<string> = new Set([
  ...["ModelMetadata", "ModelInfer", "ModelStreamInfer"].map((m) => INFERENCE + m),
  ...["ModelConfig", "ModelStatistics", "RepositoryIndex"].map((m) => INFERENCE + m),
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]);

/** What is not listed changes the deployment, or may do so one day. */
export function roleOfMethod(path: string): RequiredRole {
  if (PUBLIC.has(path)) return "public";
  return INFER.has(path) ? "infer" : "admin";
}
