"""A client that cancels: its handler learns of it, whatever the kind of method."""

import time

import grpc

from calls import ADDRESS, COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages, stubs


class Cancellation(ParityTest):
    def expect_client_gone(self, begin):
        """Begins a call with a plan to wait for its end, cancels it, and asks what its handler saw."""

        def cancelled(key, seconds):
            call = begin(messages.Plan(await_cancel=key))
            time.sleep(seconds)
            self.assertTrue(call.is_active())
            call.cancel()
            self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)

        self.assertEqual(self.cancel_reason(cancelled), "ClientGone")

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
        def cancelled(key, seconds):
            request = messages.EchoRequest(plan=messages.Plan(await_cancel=key))
            # A pool of its own, or the channel would share the connection of the one that observes.
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(ADDRESS, options=options) as channel:
                call = getattr(stubs.ParityStub(channel), method).future(request)
                time.sleep(seconds)
            self.assertTrue(call.done())

        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                self.assertEqual(self.cancel_reason(cancelled), "ClientGone")

    def test_an_endless_stream_that_is_left_ends(self):
        for method in COUNTS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(messages.CountRequest(to=2**31 - 1))
                self.assertEqual(next(replies).number, 1)
                replies.cancel()
        self.still_serves()
