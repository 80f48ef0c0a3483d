"""A server that is told to stop, seen by its clients: told first, answered to the end, then sent elsewhere."""

import time
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from calls import ADDRESS, ParityTest, messages

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Drain(ParityTest):
    def test_a_server_ends_in_good_order(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        self.assertEqual(next(watching).status, SERVING)
        # Longer than all the rest takes together.
        slow = messages.EchoRequest(text="slow", plan=messages.Plan(sleep_ms=4_000))
        under_way = [getattr(self.parity, method).future(slow, timeout=60) for method in ["Echo", "EchoBlocking"]]
        self.still_serves()
        urllib.request.urlopen(urllib.request.Request(f"http://{ADDRESS}/stop", method="POST"), timeout=30).read()

        self.assertEqual(next(watching).status, NOT_SERVING)
        # It still takes calls: those who balance need time to notice.
        self.still_serves()
        check = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        self.assertEqual(check.status, NOT_SERVING)

        # A stream that has nothing more to say is sent elsewhere.
        self.fails_with(grpc.StatusCode.UNAVAILABLE, lambda: next(watching))
        # What was begun is answered.
        self.assertEqual([call.result().text for call in under_way], ["slow", "slow"])
        # What comes then finds nobody.
        for _ in range(300):
            try:
                self.echo(text="late", timeout=30)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                return
            time.sleep(0.02)
        self.fail("the server goes on")
