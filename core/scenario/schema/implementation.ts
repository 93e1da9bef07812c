/** What runs a model for real: a built-in one, an ONNX file, another server, or a command. */
import { z } from "zod";
import { count, positive } from "./common.ts";
import { postprocessStep, preprocessStep } from "./steps.ts";

const tls = z
  .strictObject({
    ca: z
      .string()
      .optional()
      .describe("PEM file of the authority that its certificate is of; default: the system's"),
    certificate: z.string().optional().describe("PEM file of our own certificate, with `key`"),
    key: z.string().optional().describe("PEM file of its key"),
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe("the name in its certificate, where that is not the address's"),
  })
  .describe("speak TLS; paths start at the scenario's folder");

const token = z
  .strictObject({
    file: z.string().optional().describe("a file that holds the token and nothing else"),
    environment: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable")
      .optional()
      .describe("an environment variable of the workers that holds it"),
  })
  .describe("a bearer token to show, from one of the two: the scenario never holds it");

const external = z
  .strictObject({
    address: z
      .string()
      .regex(/^[^\s/:]+:\d{1,5}$/, "host:port of its gRPC side")
      .describe("host:port of a server that speaks the Open Inference Protocol v2 over gRPC"),
    model: z.string().min(1).describe("the model's name there"),
    timeoutS: positive.max(3600).default(60).describe("longest wait for one inference"),
    tls: tls.optional(),
    token: token.optional(),
  })
  .describe("a model on another server: Triton, KServe, MLServer, another Tandem");

const command = z
  .strictObject({
    run: z
      .array(z.string().min(1))
      .min(1)
      .describe("program and arguments; {port} becomes a free port, to listen on at 127.0.0.1"),
    model: z.string().min(1).describe("the model's name there"),
    readyWithinS: positive.max(3600).default(60).describe("longest start, model load included"),
    timeoutS: positive.max(3600).default(60).describe("longest wait for one inference"),
  })
  .describe(
    "a command that serves the Open Inference Protocol v2; it lives and ends with its worker",
  );

export const implementationSchema = z
  .strictObject({
    name: z.string().optional().describe("a built-in model, e.g. ssd-mobilenet-v2"),
    parameters: z
      .record(z.string(), z.union([z.number(), z.string()]))
      .default({})
      .describe("what the built-in model takes; see docs/models.md"),
    onnx: z.string().optional().describe("an ONNX file; paths start at the scenario's folder"),
    external: external.optional(),
    command: command.optional(),
    provider: z
      .enum(["cpu", "cuda", "webgpu"])
      .default("cpu")
      .describe("what runs the graph of a built-in model or an ONNX file"),
    threads: z.int().min(1).max(64).default(1).describe("threads of one inference on the CPU"),
    input: z.string().optional().describe("which input takes the image; default: the only one"),
    batching: z
      .enum(["auto", "none"])
      .default("auto")
      .describe("auto: along the first dimension where the model leaves it open; none: one by one"),
    maxRows: count.max(4096).optional().describe("most rows in one inference; default: the batch"),
    preprocess: z
      .array(preprocessStep)
      .optional()
      .describe("from the payload to the input; without it the request's tensors are the inputs"),
    postprocess: z
      .array(postprocessStep)
      .optional()
      .describe(
        "from the outputs to the answer; without it the outputs are the answer, as tensors",
      ),
  })
  .describe(
    "what `calibrate`, `validate` and `cluster` run; exactly one of name, onnx, external, command",
  );

export type ImplementationDocument = z.infer<typeof implementationSchema>;
