import { fileURLToPath } from "node:url";

/** The Open Inference Protocol over gRPC, as this system serves it. */
export const PROTOCOL_FILE = fileURLToPath(new URL("../proto/inference.proto", import.meta.url));
