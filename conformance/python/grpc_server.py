"""grpc.testing.TestService on gRPC's own Python, with health, reflection, status details and service tokens.

It prints its address and serves until standard input ends.
"""
import sys
import time
from concurrent import futures

import grpc
import jwt
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

import interop_types as types

CODES = {code.value[0]: code for code in grpc.StatusCode}


def admit(secret, context):
    """Verifies the caller's token by PyJWT, as the specification has it, and answers whose it is."""
    if not secret:
        return []
    value = dict(context.invocation_metadata()).get("authorization", "")
    try:
        claims = jwt.decode(value.removeprefix("Bearer "), secret, algorithms=["HS256"], audience="internal-services")
    except jwt.InvalidTokenError as e:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, type(e).__name__)
    return [("caller", claims["iss"])]


def echoed(context):
    sent = dict(context.invocation_metadata())
    names = ("x-grpc-test-echo-initial", "x-request-id", "x-client-version", "traceparent")
    return [(name, sent[name]) for name in names if name in sent]


def detailed(status):
    """A status with details of three kinds."""
    details = []
    for detail in (
        error_details_pb2.ErrorInfo(reason="NO_STOCK", domain="shop.example", metadata={"sku": "7"}),
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=20_000_000)),
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="sku", description="索")]),
    ):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    return rpc_status.to_status(status_pb2.Status(code=status.code, message=status.message, details=details))


class Interop:
    def __init__(self, secret):
        self.secret = secret
        self.payload = types.message("Payload")
        self.simple = types.message("SimpleResponse")
        self.output = types.message("StreamingOutputCallResponse")

    def begin(self, context):
        """Admits a call and answers its metadata."""
        sent = dict(context.invocation_metadata())
        trailer = [(n, v) for n, v in sent.items() if n == "x-grpc-test-echo-trailing-bin"]
        if context.time_remaining() is not None:
            trailer.append(("time-remaining", str(context.time_remaining())))
        context.set_trailing_metadata(trailer)
        context.send_initial_metadata(echoed(context) + admit(self.secret, context))
        attempts = int(sent.get("grpc-previous-rpc-attempts", "0"))
        if attempts < int(sent.get("x-test-failures", "0")):
            context.abort(grpc.StatusCode.UNAVAILABLE, "attempt %d is to fail" % (attempts + 1))
        return sent

    def end(self, status, sent, context):
        if status.code == 0:
            return
        if "x-test-details" in sent:
            context.abort_with_status(detailed(status))
        context.abort(CODES[status.code], status.message)

    def EmptyCall(self, request, context):
        self.begin(context)
        return type(request)()

    def UnaryCall(self, request, context):
        sent = self.begin(context)
        self.end(request.response_status, sent, context)
        return self.simple(payload=self.payload(body=bytes(request.response_size)))

    def StreamingOutputCall(self, request, context):
        self.begin(context)
        yield from self.outputs(request)

    def StreamingInputCall(self, requests, context):
        self.begin(context)
        size = sum(len(request.payload.body) for request in requests)
        return types.message("StreamingInputCallResponse")(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        sent = self.begin(context)
        for request in requests:
            self.end(request.response_status, sent, context)
            yield from self.outputs(request)

    def outputs(self, request):
        for wanted in request.response_parameters:
            time.sleep(wanted.interval_us / 1e6)
            yield self.output(payload=self.payload(body=bytes(wanted.size)))


def handlers(servicer):
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler, (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler, (True, True): grpc.stream_stream_rpc_method_handler,
    }
    found = {}
    for method in types.methods():
        behaviour = getattr(servicer, method.name, None)
        if behaviour:
            found[method.name] = kinds[method.client_streaming, method.server_streaming](
                behaviour, types.message_of(method.input_type).FromString, lambda reply: reply.SerializeToString())
    return grpc.method_handlers_generic_handler(types.SERVICE, found)


def main():
    config = types.configure()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((handlers(Interop(config["secret"])),))
    status = health.HealthServicer()
    status.set("", health_pb2.HealthCheckResponse.SERVING)
    status.set(types.SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection((types.SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("127.0.0.1:%d" % port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


main()
