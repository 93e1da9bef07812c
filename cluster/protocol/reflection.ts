/**
 * gRPC server reflection. The descriptors of protobufjs differ from a compiler's: type names are
 * relative, and entries of maps have other names. Strict clients, such as those in Go, refuse them.
 */
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";

interface MessageDescriptor {
  name: string;
  readonly field: { readonly name: string; typeName?: string }[];
  readonly nestedType: MessageDescriptor[];
}

/** `files` are .proto files without imports. */
export function addReflection(server: Server, files: readonly string[]): void {
  const packages = files.map((file) => [file, { fileDescriptorProtos: [compiled(file)] }]);
  new ReflectionService(Object.fromEntries(packages)).addToServer(server);
}

/** The file's descriptor as a compiler would write it. */
function compiled(file: string): Buffer {
  const root = new protobuf.Root().loadSync(file, { keepCase: true }).resolveAll() as Described;
  const [proto] = root.toDescriptor("proto3").file;
  for (const message of proto.messageType as MessageDescriptor[]) {
    nameAsCompiled(message, root.lookupType(`${proto.package}.${message.name}`));
  }
  return Buffer.from(descriptor.FileDescriptorProto.encode(proto).finish());
}

/** `protobufjs/ext/descriptor` adds the method. */
type Described = protobuf.Root & {
  toDescriptor(edition: string): { readonly file: descriptor.IFileDescriptorProto[] };
};

/** Makes type names absolute. The entry of a map `my_field` becomes the nested type MyFieldEntry. */
function nameAsCompiled(message: MessageDescriptor, type: protobuf.Type): void {
  for (const field of message.field) {
    const { resolvedType, map } = type.fields[field.name];
    const entry = map && message.nestedType.find(({ name }) => name === field.typeName);
    const named = entry ? entry.field[1] : field;
    if (resolvedType !== null) named.typeName = resolvedType.fullName;
    if (!entry) continue;
    const words = field.name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
    entry.name = `${words.join("")}Entry`;
    field.typeName = `${type.fullName}.${entry.name}`;
  }
  for (const nested of message.nestedType) {
    const own = type.nested?.[nested.name];
    if (own instanceof protobuf.Type) nameAsCompiled(nested, own);
  }
}
