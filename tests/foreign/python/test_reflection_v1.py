"""Server reflection by its newer name, `v1`, and by `v1alpha` over grpc.aio.

grpcio-reflection has the older one alone. The newer's stubs are made of its .proto by grpcio's own compiler, as
those of any service are.
"""

import unittest

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as v1alpha
from grpc_reflection.v1alpha import reflection_pb2_grpc as v1alpha_stubs

from calls import ADDRESS, ROOT, compiled

# By its whole path it would be a module within grpcio.
v1, v1_stubs = compiled("reflection.proto", ROOT / "proto" / "grpc" / "reflection" / "v1")

VERSIONS = {"v1": (v1, v1_stubs), "v1alpha": (v1alpha, v1alpha_stubs)}

SERVICES = {
    "edge.v1.Edge",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "parity.v1.Parity",
}


def questions(version):
    """One of each kind, and one for something that is not there."""
    extension = {"containing_type": "google.protobuf.MethodOptions", "extension_number": 72295728}
    for question in [
        {"list_services": ""},
        {"file_containing_symbol": "parity.v1.Parity.Echo"},
        {"file_by_filename": "parity/v1/parity.proto"},
        {"file_containing_extension": extension},
        {"file_containing_symbol": "parity.v1.Nobody"},
    ]:
        yield version.ServerReflectionRequest(**question)


class Answers(unittest.TestCase):
    def right(self, answers):
        """Checks the answers to all questions."""
        services, by_symbol, by_name, by_extension, missing = answers
        self.assertEqual({service.name for service in services.list_services_response.service}, SERVICES)
        for answer, name in [
            (by_symbol, "parity/v1/parity.proto"),
            (by_name, "parity/v1/parity.proto"),
            (by_extension, "google/api/annotations.proto"),
        ]:
            file = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
            self.assertEqual(file.name, name)
        self.assertEqual(missing.error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])
        self.assertEqual(missing.original_request.file_containing_symbol, "parity.v1.Nobody")


class Sync(Answers):
    def test_every_question_is_answered(self):
        with grpc.insecure_channel(ADDRESS) as channel:
            for name, (version, stubs) in VERSIONS.items():
                with self.subTest(name):
                    stub = stubs.ServerReflectionStub(channel)
                    self.right(list(stub.ServerReflectionInfo(questions(version), timeout=30)))


class Asyncio(Answers, unittest.IsolatedAsyncioTestCase):
    async def test_every_question_is_answered(self):
        async with grpc.aio.insecure_channel(ADDRESS) as channel:
            for name, (version, stubs) in VERSIONS.items():
                with self.subTest(name):
                    stub = stubs.ServerReflectionStub(channel)
                    answers = stub.ServerReflectionInfo(questions(version), timeout=30)
                    self.right([answer async for answer in answers])


# It has no tests of its own.
del Answers
