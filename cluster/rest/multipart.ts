/** Files of a form (`multipart/form-data`), as a web page or `curl -F` sends them. */
import { Busboy } from "@fastify/busboy";
import { Fault } from "../../core/fault.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/service.ts";
import type { RestCall } from "./route.ts";

const MAX_FILES = 64;
const MAX_PARTS = 128;

export interface FormFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Its files in order. Rejects with Fault("invalid-input") for a form that is malformed or empty. */
export async function formFiles(call: RestCall): Promise<readonly FormFile[]> {
  const body = await call.body();
  const files: FormFile[] = [];
  await new Promise<void>((resolve, reject) => {
    const malformed = (error: unknown): void => {
      reject(new Fault("invalid-input", `the form is malformed: ${(error as Error).message}`));
    };
    try {
      const parser = new Busboy({
        headers: { ...call.headers, "content-type": call.headers["content-type"] ?? "" },
        limits: {
          files: MAX_FILES,
          fileSize: MAX_MESSAGE_BYTES,
          fields: MAX_FILES,
          parts: MAX_PARTS,
        },
      });
      parser.on("file", (_field, stream, name) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", malformed);
        stream.on("end", () => files.push({ name, bytes: Buffer.concat(chunks) }));
      });
      parser.on("filesLimit", () => malformed(new Error(`more than ${MAX_FILES} files`)));
      parser.on("partsLimit", () => malformed(new Error(`more than ${MAX_PARTS} parts`)));
      parser.on("error", malformed);
      parser.on("finish", () => resolve());
      parser.end(body);
    } catch (error) {
      malformed(error);
    }
  });
  if (files.length > 0) return files;
  throw new Fault("invalid-input", "the form has no file", { hint: "curl -F image=@car.jpg …" });
}
