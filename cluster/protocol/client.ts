/** A client of one server of the protocol: calls, and many requests on one stream. */
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  connectivityState,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import {
  type ClientAccess,
  callMetadata,
  channelCredentials,
  NO_ACCESS,
  nameOptions,
} from "../security/client-access.ts";
import type { ModelMetadata, ServerMetadata } from "./hosted-models.ts";
import { CHANNEL_OPTIONS, INFERENCE_SERVICE } from "./infer-codec.ts";
import {
  type ControlKind,
  controlMessage,
  isPartial,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelName,
  type ModelStreamInferResponse,
  type Parameters,
  type RepositoryModel,
} from "./messages.ts";
import { errorOfAnswer, faultOf, streamEndedError } from "./status.ts";

export type Answer<T> = (error: ServiceError | null, value?: T) => void;

export type InferStreamCall = ClientDuplexStream<ModelInferRequest, ModelStreamInferResponse>;

export interface HealthStatus {
  readonly status: string;
}

/** A large model takes minutes to load. */
const LOAD_MS = 600_000;

export class InferenceClient {
  readonly address: string;
  readonly #client: Client;
  readonly #access: ClientAccess;

  /** `address` is host:port. Connects with the first call. */
  constructor(address: string, access: ClientAccess = NO_ACCESS, channel: ChannelOptions = {}) {
    this.address = address;
    this.#access = access;
    this.#client = new Client(address, channelCredentials(access, address), {
      ...CHANNEL_OPTIONS,
      ...channel,
      ...nameOptions(access, address),
    });
  }

  /** One batch or one pipeline request; the call can be cancelled. */
  infer(
    request: ModelInferRequest,
    options: CallOptions,
    answer: Answer<ModelInferResponse>,
  ): ClientUnaryCall {
    return this.#unary("ModelInfer", request, options, answer);
  }

  /** A bare stream; `InferStream` matches its answers. */
  inferStream(): InferStreamCall {
    const method = methodOf<ModelInferRequest, ModelStreamInferResponse>("ModelStreamInfer");
    return this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      callMetadata(this.#access),
      {},
    );
  }

  openStream(listener: InferStreamListener): InferStream {
    return new InferStream(this, listener);
  }

  /** Whether a connection is being established. */
  get isConnecting(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.CONNECTING;
  }

  /** Emits each change of a status until the stream fails or is cancelled. */
  watchHealth(service: string): ClientReadableStream<HealthStatus> {
    const method = methodOf<{ service: string }, HealthStatus>("Watch", HEALTH);
    return this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { service },
      callMetadata(this.#access),
      {},
    );
  }

  modelReady(model: ModelName): Promise<{ readonly ready?: boolean }> {
    return this.ask("ModelReady", model);
  }

  serverMetadata(): Promise<ServerMetadata> {
    return this.ask("ServerMetadata", {});
  }

  modelMetadata(model: ModelName): Promise<ModelMetadata> {
    return this.ask("ModelMetadata", model);
  }

  /** Resolves when the model is ready; `task` is a task of a pipeline. */
  loadModel(modelName: string, task?: string): Promise<unknown> {
    return this.#control("RepositoryModelLoad", modelName, task);
  }

  /** Resolves when the model's memory is free. */
  unloadModel(modelName: string, task?: string): Promise<unknown> {
    return this.#control("RepositoryModelUnload", modelName, task);
  }

  /** Like `infer`. Rejects with a Fault. */
  inferAsync(request: ModelInferRequest, options: CallOptions = {}): Promise<ModelInferResponse> {
    return this.ask("ModelInfer", request, options);
  }

  close(): void {
    this.#client.close();
  }

  #control(name: string, modelName: string, task: string | undefined): Promise<object> {
    const parameters = task === undefined ? {} : { task: { string_param: task } };
    const request: RepositoryModel = { model_name: modelName, parameters };
    return this.ask(name, request, { deadline: Date.now() + LOAD_MS });
  }

  /** A call of any method, by its name. Rejects with a Fault. */
  ask<Response>(
    name: string,
    request: object,
    options: CallOptions = { deadline: Date.now() + 30_000 },
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#unary<object, Response>(name, request, options, (error, value) => {
        if (error !== null) reject(faultOf(error, `${name} at ${this.address}`));
        else resolve(value as Response);
      });
    });
  }

  #unary<Request, Response>(
    name: string,
    request: Request,
    options: CallOptions,
    answer: Answer<Response>,
  ): ClientUnaryCall {
    const method = methodOf<Request, Response>(name);
    return this.#client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      callMetadata(this.#access),
      options,
      answer,
    );
  }
}

const HEALTH = healthService as unknown as ServiceDefinition;

function methodOf<Request, Response>(
  name: string,
  service: ServiceDefinition = INFERENCE_SERVICE,
): MethodDefinition<Request, Response> {
  return service[name] as unknown as MethodDefinition<Request, Response>;
}

/** A request whose `id` the stream assigns. */
export type StreamRequest = ModelInferRequest & { id: string };

type StreamAnswer = Answer<ModelInferResponse>;

/** Gets the answers before a request's last. */
export type PartialAnswer = (response: ModelInferResponse) => void;

interface WaitingAnswer {
  readonly answer: StreamAnswer;
  readonly partly: PartialAnswer | undefined;
}

interface InferStreamListener {
  /** The server has accepted the stream. */
  opened?(): void;
  /** An answer came that was forgotten, or came before. */
  unclaimed?(response: ModelInferResponse): void;
  /** Called once, unless `close` came first. Then requests without an answer get the error. */
  ended(error: ServiceError): void;
}

/** Requests on one ModelStreamInfer, matched by id: each costs a third of a call of its own. */
export class InferStream {
  readonly #call: InferStreamCall;
  readonly #waiting = new Map<string, WaitingAnswer>();
  readonly #unclaimed: InferStreamListener["unclaimed"];
  #sent = 0;
  #isOpen = false;
  #ended = false;

  constructor(
    client: Pick<InferenceClient, "inferStream">,
    { opened, unclaimed, ended }: InferStreamListener,
  ) {
    this.#unclaimed = unclaimed;
    this.#call = client.inferStream();
    const end = (error: ServiceError): void => {
      if (this.#ended) return;
      this.#ended = true;
      this.#isOpen = false;
      ended(error);
      for (const { answer } of this.#waiting.values()) answer(error);
      this.#waiting.clear();
    };
    this.#call.on("metadata", () => {
      if (this.#ended) return;
      this.#isOpen = true;
      opened?.();
    });
    this.#call.on("data", (message: ModelStreamInferResponse) => this.#take(message));
    this.#call.on("error", end);
    this.#call.on("end", () => end(streamEndedError()));
  }

  /** Between the server's acceptance and the stream's end. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Returns the request's id. `answer` is called at most once, after all calls of `partly`. */
  send(request: StreamRequest, answer: StreamAnswer, partly?: PartialAnswer): string {
    const id = String(++this.#sent);
    request.id = id;
    this.#waiting.set(id, { answer, partly });
    this.#call.write(request);
    return id;
  }

  /** Asks the server not to run the request, or to stop it; it still answers. */
  cancel(modelName: string, id: string, kind: "cancel" | "preempt" = "cancel"): void {
    if (this.#waiting.has(id)) this.#call.write(controlMessage(kind, modelName, id));
  }

  /** Has the server load a model onto its device, take it off, or free what it keeps; `answer` is called when that is done. */
  command(
    kind: Exclude<ControlKind, "cancel" | "preempt">,
    modelName: string,
    answer: StreamAnswer,
    more?: Parameters,
  ) {
    this.send(controlMessage(kind, modelName, "", more), answer);
  }

  /** Drops the request's answer. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  close(): void {
    this.#ended = true;
    this.#isOpen = false;
    this.#waiting.clear();
    this.#call.cancel();
  }

  #take(message: ModelStreamInferResponse): void {
    const id = message.inferResponse?.id ?? "";
    const waiting = this.#waiting.get(id);
    const error = errorOfAnswer(message);
    const response = message.inferResponse as ModelInferResponse;
    if (waiting === undefined) {
      if (error === null) this.#unclaimed?.(response);
      return;
    }
    const { answer, partly } = waiting;
    if (error === null && partly !== undefined && isPartial(response)) {
      partly(response);
      return;
    }
    this.#waiting.delete(id);
    if (error === null) answer(null, response);
    else answer(error);
  }
}
