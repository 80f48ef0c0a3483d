"""Server reflection with grpcio's own client of it: every kind of call, of a service whose .proto nobody has."""

import unittest

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from calls import ADDRESS


class Reflection(unittest.TestCase):
    def setUp(self):
        self.channel = grpc.insecure_channel(ADDRESS)
        self.addCleanup(self.channel.close)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        # A pool of its own: what the program has compiled is not in it.
        self.pool = DescriptorPool(self.database)

    def method(self, name):
        """A method by its name, as the server describes it: its call, and the class of its requests."""
        method = self.pool.FindServiceByName("parity.v1.Parity").FindMethodByName(name)
        request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        kind = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }[method.client_streaming, method.server_streaming]
        call = kind(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=reply.FromString,
        )
        return call, request

    def test_the_services_are_those_that_are_served(self):
        served = {
            "edge.v1.Edge",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "parity.v1.Parity",
        }
        self.assertEqual(set(self.database.get_services()), served)

    def test_a_message_is_built_and_echoed(self):
        for name in ["Echo", "EchoBlocking"]:
            with self.subTest(name):
                call, Request = self.method(name)
                request = Request(text="hello", item={"name": "näme", "count": -5, "stock": {"a": 1}, "batch": 7})
                request.item.made.FromJsonString("2024-02-29T23:59:59Z")
                reply = call(request, timeout=30)
                self.assertEqual((reply.text, reply.item), ("hello", request.item))

    def test_a_server_streams(self):
        call, Request = self.method("Count")
        self.assertEqual([reply.number for reply in call(Request(to=3), timeout=30)], [1, 2, 3])

    def test_a_client_streams(self):
        call, Request = self.method("SumBlocking")
        self.assertEqual(call(iter([Request(number=2), Request(number=3)]), timeout=30).sum, 5)

    def test_both_stream(self):
        call, Request = self.method("Running")
        replies = call(iter([Request(number=2), Request(number=3)]), timeout=30)
        self.assertEqual([reply.sum for reply in replies], [2, 5])

    def test_files_know_each_other(self):
        file = self.pool.FindFileContainingSymbol("parity.v1.Item.stock")
        self.assertEqual(file.name, "parity/v1/parity.proto")
        self.assertIn("google/protobuf/timestamp.proto", [file.name for file in file.dependencies])

    def test_options_are_kept(self):
        http = self.pool.FindExtensionByName("google.api.http")
        self.assertEqual((http.number, http.containing_type.full_name), (72295728, "google.protobuf.MethodOptions"))
        method = self.pool.FindServiceByName("parity.v1.Parity").FindMethodByName("Echo")
        self.assertIn(b"/v1/echo/{text}", method.GetOptions().SerializeToString())

    def test_extensions_are_found_by_number(self):
        numbers = self.database.FindAllExtensionNumbers("google.protobuf.MethodOptions")
        self.assertIn(72295728, numbers)
        # Python's database has no such search: the question itself, as the stub asks it.
        found, missing = self.asked(
            {"containing_type": "google.protobuf.MethodOptions", "extension_number": 72295728},
            {"containing_type": "parity.v1.Item", "extension_number": 1},
        )
        encoded = found.file_descriptor_response.file_descriptor_proto[0]
        self.assertEqual(FileDescriptorProto.FromString(encoded).name, "google/api/annotations.proto")
        self.assertEqual(missing.error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])

    def asked(self, *extensions):
        """What is answered to questions for these extensions, all on one stream."""
        stub = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        requests = [reflection_pb2.ServerReflectionRequest(file_containing_extension=each) for each in extensions]
        return list(stub.ServerReflectionInfo(iter(requests), timeout=30))

    def test_what_is_not_there_is_a_key_error(self):
        for missing in [
            lambda: self.database.FindFileByName("no/such.proto"),
            lambda: self.database.FindFileContainingSymbol("parity.v1.Nobody"),
        ]:
            with self.assertRaises(KeyError):
                missing()
