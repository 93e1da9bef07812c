/** The bodies of the Open Inference Protocol's HTTP routes. */
import { z } from "zod";
import { DATATYPES } from "../protocol/tensors.ts";
import { LIMITS } from "../security/limits.ts";

const name = z.string().max(LIMITS.nameLength);

const parameters = z
  .record(name, z.union([name, z.number(), z.boolean()]))
  .refine((given) => Object.keys(given).length <= LIMITS.parameters, {
    message: `more than ${LIMITS.parameters} parameters`,
  })
  .meta({ maxProperties: LIMITS.parameters })
  .describe("any; unknown ones are passed over");

const inputTensor = z.looseObject({
  name: name.describe("payload, or an input of the first task's model"),
  datatype: z.enum(DATATYPES as [string, ...string[]]),
  shape: z.array(z.int().nonnegative()).max(LIMITS.rank),
  parameters: parameters
    .optional()
    .describe("binary_data_size: its bytes behind the JSON; content_type: base64"),
  data: z
    .array(z.unknown())
    .optional()
    .describe("row-major, nested or flat; BYTES are text, pictures base64"),
});

export const inferRequestSchema = z.looseObject({
  id: name.optional().describe("comes back with the answer"),
  parameters: parameters
    .optional()
    .describe("deadline_ms, timeout, priority, scheduler, idempotency_key; binary_data_output"),
  inputs: z.array(inputTensor).min(1).max(LIMITS.tensors),
  outputs: z
    .array(z.looseObject({ name, parameters: parameters.optional() }))
    .max(LIMITS.tensors)
    .optional()
    .describe("default: all, as JSON"),
});

export const inferResponseSchema = z.strictObject({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  files: z.array(z.string()).optional().describe("names of the files, one for each element"),
  outputs: z.array(
    z.strictObject({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int()),
      parameters: parameters.optional(),
      data: z.array(z.unknown()).optional(),
    }),
  ),
});

const flag = z.boolean();
export const liveSchema = z.strictObject({ live: flag });
export const readySchema = z.strictObject({ ready: flag });
export const modelReadySchema = z.strictObject({ name: z.string(), ready: flag });

export const serverSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
  deployment: z.string().describe("tells one deployment from another"),
});

const tensors = z.array(
  z.strictObject({
    name: z.string(),
    datatype: z.string(),
    shape: z.array(z.int()).describe("-1: any size"),
  }),
);

export const modelSchema = z.strictObject({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: tensors,
  outputs: tensors,
});

const configTensors = z.array(
  z.strictObject({ name: z.string(), data_type: z.string(), dims: z.array(z.int()) }),
);

export const configSchema = z.strictObject({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: z.int(),
  input: configTensors,
  output: configTensors,
  parameters: z.record(z.string(), z.unknown()),
  model_transaction_policy: z.strictObject({ decoupled: z.boolean() }),
});

const duration = z.strictObject({ count: z.int(), ns: z.int() });

export const statisticsSchema = z.strictObject({
  model_stats: z.array(
    z.strictObject({
      name: z.string(),
      version: z.string(),
      last_inference: z.int().describe("milliseconds since the epoch"),
      inference_count: z.int(),
      execution_count: z.int(),
      inference_stats: z.strictObject({
        success: duration,
        fail: duration,
        queue: duration,
        compute_input: duration,
        compute_infer: duration,
        compute_output: duration,
        cache_hit: duration,
        cache_miss: duration,
      }),
      batch_stats: z.array(
        z.strictObject({
          batch_size: z.int(),
          compute_input: duration,
          compute_infer: duration,
          compute_output: duration,
        }),
      ),
    }),
  ),
});

export const indexRequestSchema = z.looseObject({
  ready: z.boolean().optional().describe("only models that are ready"),
});

export const controlRequestSchema = z.looseObject({
  parameters: z
    .looseObject({ task: name.optional().describe("this task's model alone") })
    .optional()
    .describe("unknown ones are passed over"),
});

export const controlSchema = z.strictObject({
  name: z.string(),
  state: z.string(),
  reason: z.string(),
  loads: z
    .array(z.strictObject({ replica: z.string(), load_ms: z.number().nullable() }))
    .describe("what each replica's load took"),
});

export const indexSchema = z.array(
  z.strictObject({
    name: z.string(),
    version: z.string(),
    state: z.string(),
    reason: z.string(),
  }),
);
