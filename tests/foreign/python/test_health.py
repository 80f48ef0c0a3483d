"""gRPC's health service with grpcio-health-checking: asked, watched, and by a channel that heeds it."""

import asyncio
import json
import unittest
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from calls import ADDRESS, ParityTest, messages

SERVICE = "parity.v1.Parity"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def say(service, serving):
    """Has the server say whether a service takes calls."""
    path = f"http://{ADDRESS}/serving/{service}/{str(serving).lower()}"
    urllib.request.urlopen(urllib.request.Request(path, method="POST"), timeout=30).read()


def asked_of(service):
    return health_pb2.HealthCheckRequest(service=service)


class Health(ParityTest):
    def setUp(self):
        super().setUp()
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.addCleanup(say, SERVICE, True)

    def test_the_server_and_its_services_are_asked(self):
        for service in ["", SERVICE]:
            with self.subTest(service):
                self.assertEqual(self.health.Check(asked_of(service), timeout=30).status, SERVING)
        say(SERVICE, False)
        self.assertEqual(self.health.Check(asked_of(SERVICE), timeout=30).status, NOT_SERVING)
        self.assertEqual(self.health.Check(asked_of(""), timeout=30).status, SERVING)

    def test_a_service_that_is_not_there_is_not_found(self):
        self.fails_with(grpc.StatusCode.NOT_FOUND, lambda: self.health.Check(asked_of("nobody"), timeout=30))

    def test_who_watches_is_told_of_each_change(self):
        watching = self.health.Watch(asked_of(SERVICE), timeout=60)
        self.assertEqual(next(watching).status, SERVING)
        say(SERVICE, False)
        self.assertEqual(next(watching).status, NOT_SERVING)
        say(SERVICE, True)
        self.assertEqual(next(watching).status, SERVING)
        watching.cancel()

    def test_a_service_may_come_later(self):
        watching = self.health.Watch(asked_of("late.for.Sync"), timeout=60)
        self.assertEqual(next(watching).status, SERVICE_UNKNOWN)
        say("late.for.Sync", True)
        self.assertEqual(next(watching).status, SERVING)
        watching.cancel()

    def test_a_channel_that_checks_health_sends_nothing_to_who_does_not_serve(self):
        config = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": SERVICE}}
        options = [("grpc.service_config", json.dumps(config)), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(ADDRESS, options=options) as channel:
            echo = channel.unary_unary(
                "/parity.v1.Parity/Echo",
                request_serializer=messages.EchoRequest.SerializeToString,
                response_deserializer=messages.EchoResponse.FromString,
            )
            hello = messages.EchoRequest(text="hello")
            self.assertEqual(echo(hello, timeout=30).text, "hello")
            say(SERVICE, False)
            # The news is on its way.
            for _ in range(10_000):
                try:
                    echo(hello, timeout=30)
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                    break
            else:
                self.fail("the channel still sends")
            self.still_serves()
            say(SERVICE, True)
            self.assertEqual(echo(hello, timeout=30, wait_for_ready=True).text, "hello")


class AsyncHealth(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.channel = grpc.aio.insecure_channel(ADDRESS)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    async def asyncTearDown(self):
        await self.channel.close()

    async def test_asked(self):
        self.assertEqual((await self.health.Check(asked_of(""), timeout=30)).status, SERVING)
        with self.assertRaises(grpc.aio.AioRpcError) as raised:
            await self.health.Check(asked_of("nobody"), timeout=30)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    async def test_watched(self):
        watching = self.health.Watch(asked_of("late.for.Async"), timeout=60)
        self.assertEqual((await watching.read()).status, SERVICE_UNKNOWN)
        await asyncio.to_thread(say, "late.for.Async", False)
        self.assertEqual((await watching.read()).status, NOT_SERVING)
        watching.cancel()
