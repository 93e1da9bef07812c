"""A server of the Open Inference Protocol that shares nothing with ours: grpcio, with NVIDIA's stubs
of the published contract. Its model `reverse` reverses texts, and tells its process.

usage: grpc_server.py PORT [FOLDER]
FOLDER holds server.crt, server.key, ca.crt (callers need a certificate of it) and token.
"""

import os
import struct
import sys
from concurrent import futures
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as contract


def texts_of(raw):
    at = 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        yield raw[at + 4 : at + 4 + length]
        at += 4 + length


class Reverse(contract.GRPCInferenceServiceServicer):
    def __init__(self, token):
        self.token = token

    def check(self, context):
        shown = dict(context.invocation_metadata()).get("authorization")
        if self.token is not None and shown != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token that I know")

    def ServerMetadata(self, request, context):
        self.check(context)
        return messages.ServerMetadataResponse(name="grpcio", version=grpc.__version__)

    def ModelReady(self, request, context):
        self.check(context)
        return messages.ModelReadyResponse(ready=request.name == "reverse")

    def ModelMetadata(self, request, context):
        self.check(context)
        response = messages.ModelMetadataResponse(
            name="reverse", versions=["1"], platform="python"
        )
        response.inputs.add(name="text", datatype="BYTES", shape=[-1])
        response.outputs.add(name="reversed", datatype="BYTES", shape=[-1])
        return response

    def ModelInfer(self, request, context):
        self.check(context)
        given = list(texts_of(request.raw_input_contents[0]))
        told = [b"%s by %d" % (text[::-1], os.getpid()) for text in given]
        response = messages.ModelInferResponse(model_name="reverse")
        response.outputs.add(name="reversed", datatype="BYTES", shape=[len(told)])
        response.raw_output_contents.append(
            b"".join(struct.pack("<I", len(text)) + text for text in told)
        )
        return response


def main(port, folder=None):
    read = lambda name: (Path(folder) / name).read_bytes()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    token = None if folder is None else read("token").decode()
    contract.add_GRPCInferenceServiceServicer_to_server(Reverse(token), server)
    if folder is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        pair = [(read("server.key"), read("server.crt"))]
        required = grpc.ssl_server_credentials(pair, read("ca.crt"), True)
        server.add_secure_port(f"127.0.0.1:{port}", required)
    server.start()
    server.wait_for_termination()


main(*sys.argv[1:])
