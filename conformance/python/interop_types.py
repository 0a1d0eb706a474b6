"""The interop service's messages, from the descriptors that the test hands over."""
import base64
import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "grpc.testing.TestService"
POOL = descriptor_pool.Default()


def configure():
    """Reads the first line of standard input, takes in its descriptors and returns it."""
    config = json.loads(sys.stdin.readline())
    files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(config["descriptors"]))
    for file in files.file:
        POOL.Add(file)
    return config


def message(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName("grpc.testing." + name))


def methods():
    return POOL.FindServiceByName(SERVICE).methods


def message_of(descriptor):
    return message_factory.GetMessageClass(descriptor)
