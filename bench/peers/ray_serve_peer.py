"""A pipeline of two tasks that do nothing, on Ray Serve, behind its gRPC proxy.

Usage: ray_serve_peer.py PORT HTTP_PORT. Prints one line of JSON once it serves; ends when stdin does.
Calls come over gRPC; there is no proxy without HTTP.

An ingress deployment calls one deployment after the other, as Ray Serve composes pipelines. One
process each: on two cores more of them only take turns. Access logs and the dashboard are off.
"""

import json
import logging
import os
import sys

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# The proxy, another process, imports this file for the service below.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH", "")]
)

import grpc  # noqa: E402
import ray  # noqa: E402
from google.protobuf.wrappers_pb2 import BytesValue  # noqa: E402
from ray import serve  # noqa: E402
from ray.serve.config import gRPCOptions  # noqa: E402
from ray.serve.schema import LoggingConfig  # noqa: E402

AT_ONCE = 256


def add_peer_to_server(_servicer, server):
    """What a generated stub would have: tandem.Peer/Two takes and gives a BytesValue."""
    two = grpc.unary_unary_rpc_method_handler(
        None,
        request_deserializer=BytesValue.FromString,
        response_serializer=BytesValue.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler("tandem.Peer", {"Two": two})
    server.add_generic_rpc_handlers((handler,))


OPTIONS = {"max_ongoing_requests": AT_ONCE, "ray_actor_options": {"num_cpus": 0}}


@serve.deployment(**OPTIONS)
class First:
    async def run(self, payload):
        return payload


@serve.deployment(**OPTIONS)
class Second:
    async def run(self, payload):
        return payload


@serve.deployment(**OPTIONS)
class Pipeline:
    def __init__(self, first, second):
        self.first = first
        self.second = second

    async def Two(self, request):
        between = await self.first.run.remote(request.value)
        return BytesValue(value=await self.second.run.remote(between))


def main(port, http_port):
    logging.disable(logging.INFO)
    ray.init(
        _node_ip_address="127.0.0.1",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        serve.start(
            http_options={"location": "HeadOnly", "host": "127.0.0.1", "port": http_port},
            grpc_options=gRPCOptions(
                port=port, grpc_servicer_functions=["ray_serve_peer.add_peer_to_server"]
            ),
            logging_config=LoggingConfig(enable_access_log=False, log_level="ERROR"),
        )
        serve.run(Pipeline.bind(First.bind(), Second.bind()))
        print(json.dumps({"ray": ray.__version__, "port": port}), flush=True)
        sys.stdin.read()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
