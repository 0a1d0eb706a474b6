"""A client on gRPC's own Python that calls our server in all kinds and prints what came of it, as JSON."""
import json
import time
import uuid

import grpc
import jwt
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

import interop_types as types


def get_service_token(SERVICE_NAME, SERVICE_JWT_SECRET):
    """The specification's sample."""
    payload = {
        "iss": SERVICE_NAME,
        "sub": "service-account",
        "aud": "internal-services",
        "exp": int(time.time()) + 3600,
        "iat": int(time.time()),
        "jti": str(uuid.uuid4())
    }

    return jwt.encode(payload, SERVICE_JWT_SECRET, algorithm="HS256")


def forged(secret, algorithm="HS256", **changes):
    claims = jwt.decode(get_service_token("python-service", "x" * 32), options={"verify_signature": False})
    return jwt.encode({**claims, **changes}, secret, algorithm=algorithm)


class Client:
    def __init__(self, channel, token):
        self.channel = channel
        self.metadata = [("authorization", "Bearer " + token)] if token else []

    def start(self, name, request, extra=(), timeout=30):
        method = next(m for m in types.methods() if m.name == name)
        kind = {(False, False): "unary_unary", (False, True): "unary_stream",
                (True, False): "stream_unary", (True, True): "stream_stream"}[method.client_streaming, method.server_streaming]
        stub = getattr(self.channel, kind)(
            "/%s/%s" % (types.SERVICE, name),
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=types.message_of(method.output_type).FromString)
        start = stub if method.server_streaming else stub.future
        return start(request, metadata=self.metadata + list(extra), timeout=timeout), method.server_streaming

    def call(self, name, request, extra=(), timeout=30):
        call, streaming = self.start(name, request, extra, timeout)
        try:
            replies = list(call) if streaming else [call.result()]
        except grpc.RpcError:
            replies = []
        return {
            "code": call.code().name, "message": call.details(),
            "headers": {k: v.hex() if isinstance(v, bytes) else v for k, v in call.initial_metadata() or ()},
            "trailers": {k: v.hex() if isinstance(v, bytes) else v for k, v in call.trailing_metadata() or ()},
            "sizes": [size(reply) for reply in replies], "details": details(call),
        }


def size(reply):
    if hasattr(reply, "aggregated_payload_size"):
        return reply.aggregated_payload_size
    return len(reply.payload.body) if hasattr(reply, "payload") else 0


def details(call):
    status = rpc_status.from_call(call) if call.code() != grpc.StatusCode.OK else None
    found = {}
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            found["ErrorInfo"] = {"reason": info.reason, "domain": info.domain, "metadata": dict(info.metadata)}
        elif detail.Unpack(retry):
            found["RetryInfo"] = retry.retry_delay.ToMilliseconds()
    return found


def payload(n):
    return types.message("Payload")(body=bytes(n))


def outputs(*sizes):
    parameters = types.message("ResponseParameters")
    return types.message("StreamingOutputCallRequest")(
        response_parameters=[parameters(size=n) for n in sizes])


def main():
    config = types.configure()
    channel = grpc.insecure_channel(config["address"], options=[("grpc.max_receive_message_length", -1)])
    secret, simple = config["secret"], types.message("SimpleRequest")
    client = Client(channel, get_service_token("python-service", secret))
    unary = simple(response_size=314159, payload=payload(271828))
    echo = [("x-grpc-test-echo-initial", "value"), ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")]
    inputs = types.message("StreamingInputCallRequest")
    results = {
        "unary": client.call("UnaryCall", unary, echo),
        "with a request id": client.call("UnaryCall", unary, [("x-request-id", "python-1")]),
        "server stream": client.call("StreamingOutputCall", outputs(31415, 9)),
        "client stream": client.call("StreamingInputCall", iter([inputs(payload=payload(n)) for n in (27182, 8)])),
        "bidi stream": client.call("FullDuplexCall", iter([outputs(31415), outputs(9)]), echo),
        "service error": client.call("UnaryCall", simple(payload=types.message("Payload")(body=b"fail"))),
        "panic": client.call("UnaryCall", simple(payload=types.message("Payload")(body=b"panic"))),
        "deadline": client.call("UnaryCall", simple(payload=types.message("Payload")(body=b"sleep")), timeout=0.5),
        "anonymous": Client(channel, None).call("UnaryCall", unary),
        "anonymous stream": Client(channel, None).call("FullDuplexCall", iter([outputs(1)])),
        "expired": Client(channel, forged(secret, exp=int(time.time()) - 3600)).call("UnaryCall", unary),
        "future": Client(channel, forged(secret, iat=int(time.time()) + 3600, nbf=int(time.time()) + 3600)).call("UnaryCall", unary),
        "other audience": Client(channel, forged(secret, aud="public")).call("UnaryCall", unary),
        "other secret": Client(channel, forged("y" * 32)).call("UnaryCall", unary),
        "no algorithm": Client(channel, forged(None, algorithm="none")).call("UnaryCall", unary),
    }
    health = health_pb2_grpc.HealthStub(channel)
    results["health"] = health_pb2.HealthCheckResponse.ServingStatus.Name(
        health.Check(health_pb2.HealthCheckRequest(), timeout=30).status)
    results["reflection"] = sorted(ProtoReflectionDescriptorDatabase(channel).get_services())
    print(json.dumps(results))


main()
