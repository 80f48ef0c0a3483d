"""A client that cancels: its handler learns of it, whatever the kind of method."""

import time
import uuid

import grpc

from calls import ADDRESS, COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages


class Cancellation(ParityTest):
    def expect_client_gone(self, begin):
        """Begins a call with a plan to wait for its end, cancels it, and asks what its handler saw."""
        key = str(uuid.uuid4())
        call = begin(messages.Plan(await_cancel=key))
        # Nothing says that a unary handler has begun; a call that is cancelled before is never seen.
        time.sleep(0.2)
        self.assertTrue(call.is_active())
        call.cancel()
        self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)
        self.assertEqual(self.cancel_reason(key), "ClientGone")

    def test_unary(self):
        for method in ECHOES:
            with self.subTest(method):
                call = getattr(self.parity, method)
                self.expect_client_gone(lambda plan: call.future(messages.EchoRequest(plan=plan)))

    def test_server_streaming(self):
        for method in COUNTS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                self.expect_client_gone(lambda plan: call(messages.CountRequest(to=1, plan=plan)))

    def test_client_streaming(self):
        for method in SUMS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                self.expect_client_gone(lambda plan: call.future(iter([messages.SumRequest(plan=plan)])))

    def test_bidirectional(self):
        for method in RUNNINGS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                self.expect_client_gone(lambda plan: call(iter([messages.SumRequest(plan=plan)])))

    def test_a_connection_that_is_closed_cancels_its_calls(self):
        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                key = str(uuid.uuid4())
                request = messages.EchoRequest(plan=messages.Plan(await_cancel=key))
                # A pool of its own, or the channel would share the connection of the one that observes.
                options = [("grpc.use_local_subchannel_pool", 1)]
                with grpc.insecure_channel(ADDRESS, options=options) as channel:
                    raw = channel.unary_unary(f"/parity.v1.Parity/{method}")
                    call = raw.future(request.SerializeToString())
                    time.sleep(0.2)
                self.assertTrue(call.done())
                self.assertEqual(self.cancel_reason(key), "ClientGone")

    def test_an_endless_stream_that_is_left_ends(self):
        for method in COUNTS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(messages.CountRequest(to=2**31 - 1))
                self.assertEqual(next(replies).number, 1)
                replies.cancel()
        self.still_serves()
