/**
 * gRPC server reflection of a server's services. What proto-loader makes of a .proto file is not
 * what a compiler makes of it: its type names are relative, and entries of maps lack their usual
 * names. Strict clients, those in Go among them, take none of that, so it is put right here.
 */
import type { Server } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import descriptor from "protobufjs/ext/descriptor/index.js";

interface MessageDescriptor {
  name: string;
  readonly field: { readonly name: string; typeName?: string }[];
  readonly nestedType: MessageDescriptor[];
  readonly enumType: { readonly name: string }[];
  readonly options?: { readonly mapEntry?: boolean } | null;
}

interface FileDescriptor extends Pick<MessageDescriptor, "enumType"> {
  readonly package: string;
  readonly messageType: MessageDescriptor[];
}

const { FileDescriptorProto } = descriptor;

/** Tells of the services in the .proto files, none of which imports another. */
export function addReflection(server: Server, files: readonly string[]): void {
  const messages = files.map((file) => {
    const definition = Object.values(loadSync(file, { keepCase: true }));
    const protos = definition.map(({ fileDescriptorProtos }) => fileDescriptorProtos);
    const [proto] = protos.find(Array.isArray) as Buffer[];
    return [file, { fileDescriptorProtos: [compiled(proto)] }];
  });
  new ReflectionService(Object.fromEntries(messages)).addToServer(server);
}

/** A file's descriptor as a compiler would give it. */
function compiled(proto: Uint8Array): Buffer {
  const message = FileDescriptorProto.decode(proto);
  const file = message as unknown as FileDescriptor;
  for (const type of file.messageType) nameEntries(type);
  const known = new Set<string>(file.enumType.map(({ name }) => `${file.package}.${name}`));
  for (const type of file.messageType) collectNames(type, file.package, known);
  for (const type of file.messageType) resolveTypes(type, file.package, known);
  return Buffer.from(FileDescriptorProto.encode(message).finish());
}

/** The entry of a map `my_field` is the message MyFieldEntry inside the field's message. */
function nameEntries(message: MessageDescriptor): void {
  for (const nested of message.nestedType) {
    nameEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    const field = message.field.find(({ typeName }) => typeName === nested.name);
    if (field === undefined) continue;
    const words = field.name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
    nested.name = `${words.join("")}Entry`;
    field.typeName = nested.name;
  }
}

function collectNames(message: MessageDescriptor, scope: string, known: Set<string>): void {
  const own = `${scope}.${message.name}`;
  known.add(own);
  for (const { name } of message.enumType) known.add(`${own}.${name}`);
  for (const nested of message.nestedType) collectNames(nested, own, known);
}

/** A name belongs to the innermost scope that has it. */
function resolveTypes(message: MessageDescriptor, outer: string, known: ReadonlySet<string>): void {
  const own = `${outer}.${message.name}`;
  for (const field of message.field) {
    const { typeName = "" } = field;
    if (typeName === "" || typeName.startsWith(".")) continue;
    for (
      let scope = own;
      scope !== "";
      scope = scope.slice(0, Math.max(0, scope.lastIndexOf(".")))
    ) {
      if (!known.has(`${scope}.${typeName}`)) continue;
      field.typeName = `.${scope}.${typeName}`;
      break;
    }
  }
  for (const nested of message.nestedType) resolveTypes(nested, own, known);
}
