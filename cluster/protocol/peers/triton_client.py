"""NVIDIA's tritonclient, unmodified, against a server: prints one line of JSON per check.

usage: triton_client.py GRPC_ADDRESS HTTP_ADDRESS|- MODEL OUTPUT INPUT [INPUT ...]
"""
import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

GRPC, HTTP, MODEL, OUTPUT, *INPUTS = sys.argv[1:]


def check(name):
    def run(function):
        try:
            print(json.dumps({"check": name, "value": function()}), flush=True)
        except Exception as error:  # what the client says is what is reported
            print(json.dumps({"check": name, "error": repr(error)}), flush=True)
    return run


def tensors(module, elements, **options):
    given = []
    for name in INPUTS:
        values = elements if name == "payload" else [b"{}"] * len(elements)
        tensor = module.InferInput(name, [len(elements)], "BYTES")
        tensor.set_data_from_numpy(np.array(values, dtype=object), **options)
        given.append(tensor)
    return given


def lengths(result):
    return [int(n) for n in result.as_numpy(OUTPUT).shape]


client = grpc_client.InferenceServerClient(GRPC)


def describe(protocol, client, **answers):
    """What a server and its model say of themselves."""
    check(f"{protocol} health")(
        lambda: [client.is_server_live(), client.is_server_ready(), client.is_model_ready(MODEL)]
    )
    check(f"{protocol} metadata")(
        lambda: [client.get_server_metadata(**answers), client.get_model_metadata(MODEL, "1", **answers)]
    )
    check(f"{protocol} config")(lambda: client.get_model_config(MODEL, **answers))
    check(f"{protocol} index")(lambda: client.get_model_repository_index(**answers))


def load_again(protocol, client, module, **answers):
    """A model leaves and comes back, and counts what it has answered."""

    @check(f"{protocol} unload and load")
    def _():
        client.unload_model(MODEL)
        ready = client.is_model_ready(MODEL)
        status = status_of(lambda: client.infer(MODEL, tensors(module, [b"a"])))
        client.load_model(MODEL)
        after = client.infer(MODEL, tensors(module, [b"a"]))
        return [ready, status, client.is_model_ready(MODEL), lengths(after)]

    @check(f"{protocol} statistics")
    def _():
        [model] = client.get_inference_statistics(MODEL, **answers)["model_stats"]
        return model


describe("grpc", client, as_json=True)


@check("grpc infer")
def _():
    result = client.infer(MODEL, tensors(grpc_client, [b"a"]), request_id="mine")
    return [result.get_response().id, result.get_response().model_name, lengths(result)]


@check("grpc infer, several elements")
def _():
    return lengths(client.infer(MODEL, tensors(grpc_client, [b"a", b"", b"\x00\xff" * 500])))


@check("grpc infer, named output and version")
def _():
    outputs = [grpc_client.InferRequestedOutput(OUTPUT)]
    return lengths(client.infer(MODEL, tensors(grpc_client, [b"a"]), "1", outputs=outputs))


@check("grpc typed contents")
def _():
    from tritonclient.grpc import service_pb2, service_pb2_grpc
    import grpc

    request = service_pb2.ModelInferRequest(model_name=MODEL, id="typed")
    for name in INPUTS:
        tensor = request.inputs.add(name=name, datatype="BYTES", shape=[2])
        tensor.contents.bytes_contents.extend([b"a", b"b"] if name == "payload" else [b"{}"] * 2)
    with grpc.insecure_channel(GRPC) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    return [answer.id, len(answer.raw_output_contents), [list(o.shape) for o in answer.outputs]]


@check("grpc stream")
def _():
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for i in range(20):
        client.async_stream_infer(MODEL, tensors(grpc_client, [b"a"]), request_id=str(i))
    client.async_stream_infer("no-such-model", tensors(grpc_client, [b"a"]), request_id="wrong")
    got = [answers.get(timeout=20) for _ in range(21)]
    client.stop_stream()
    ids = sorted(int(result.get_response().id) for result, error in got if error is None)
    final = all(
        result.get_response().parameters["triton_final_response"].bool_param
        for result, error in got
        if error is None
    )
    return [ids, final, [error.message() for result, error in got if error is not None]]


def status_of(function):
    try:
        function()
    except InferenceServerException as error:
        return error.status()
    return "no error"


@check("grpc errors")
def _():
    short = tensors(grpc_client, [b"abc"])
    short[0]._raw_content = short[0]._raw_content[:-1]
    other = grpc_client.InferInput("other", [1], "FP32")
    other.set_data_from_numpy(np.zeros(1, dtype=np.float32))
    return {
        "unknown model": status_of(lambda: client.infer("none", tensors(grpc_client, [b"a"]))),
        "unknown version": status_of(lambda: client.infer(MODEL, tensors(grpc_client, [b"a"]), "7")),
        "malformed tensor": status_of(lambda: client.infer(MODEL, short)),
        "unknown input": status_of(lambda: client.infer(MODEL, [other])),
        "unknown output": status_of(
            lambda: client.infer(
                MODEL,
                tensors(grpc_client, [b"a"]),
                outputs=[grpc_client.InferRequestedOutput("none")],
            )
        ),
    }


load_again("grpc", client, grpc_client, as_json=True)

if HTTP != "-":
    import tritonclient.http as http_client

    http = http_client.InferenceServerClient(HTTP)

    describe("http", http)

    def infer(elements, binary_in, binary_out, **options):
        outputs = [http_client.InferRequestedOutput(OUTPUT, binary_data=binary_out)]
        given = tensors(http_client, elements, binary_data=binary_in)
        result = http.infer(MODEL, given, outputs=outputs, request_id="7", **options)
        return [result.get_response()["id"], lengths(result)]

    @check("http infer, binary both ways")
    def _():
        return infer([b"a", b"\x00\xff"], True, True)

    @check("http infer, JSON both ways")
    def _():
        return infer([b"a", b"b", b"c"], False, False)

    @check("http infer, compressed")
    def _():
        return infer([b"a" * 5000], True, True, request_compression_algorithm="gzip")

    @check("http errors")
    def _():
        short = tensors(http_client, [b"abc"])
        short[0]._raw_data = short[0]._raw_data[:-1]
        return {
            "unknown model": status_of(lambda: http.infer("none", tensors(http_client, [b"a"]))),
            "malformed tensor": status_of(lambda: http.infer(MODEL, short)),
        }

    load_again("http", http, http_client)
