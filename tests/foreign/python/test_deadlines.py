"""Deadlines: the caller's, the method's own, and over streams."""

import threading

import grpc

from calls import COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages

LONG = messages.Plan(sleep_ms=10_000)
# For blocking handlers, whose sleep nobody can end: a thread is back soon.
SHORT = messages.Plan(sleep_ms=1_000)


class Deadlines(ParityTest):
    def exceeds(self, call):
        return self.fails_with(grpc.StatusCode.DEADLINE_EXCEEDED, call)

    def test_a_slow_handler_is_cut_off(self):
        for method in ECHOES:
            with self.subTest(method):
                self.exceeds(lambda: self.echo(method, plan=SHORT, timeout=0.2))
        self.still_serves()

    def test_a_fast_handler_is_not(self):
        self.assertEqual(self.echo(text="in time", timeout=30).text, "in time")

    def test_a_deadline_bounds_a_whole_stream(self):
        for method in COUNTS:
            with self.subTest(method):
                request = messages.CountRequest(to=1000, pause_ms=20)
                replies = getattr(self.parity, method)(request, timeout=2)
                self.assertEqual(next(replies).number, 1)
                self.exceeds(lambda: list(replies))

    def test_a_deadline_passes_while_the_server_waits_for_the_client(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def requests():
            yield messages.SumRequest(number=1)
            over.wait()

        for method in SUMS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                self.exceeds(lambda: call(requests(), timeout=0.2))
        for method in RUNNINGS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(requests(), timeout=2)
                self.assertEqual(next(replies).sum, 1)
                self.exceeds(lambda: next(replies))

    def test_a_method_has_a_deadline_of_its_own(self):
        # No timeout here: what ends the call is the server's answer.
        error = self.exceeds(lambda: self.echo("Hurried", plan=LONG, timeout=None))
        self.assertEqual(error.details(), "the call cannot be answered before its deadline")

    def test_the_handler_learns_that_its_deadline_passed(self):
        def cancelled(key, seconds):
            plan = messages.Plan(await_cancel=key)
            self.exceeds(lambda: self.echo(method, plan=plan, timeout=seconds))

        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                # The client may hang up before the server's own clock strikes: both are true then.
                self.assertIn(self.cancel_reason(cancelled), ["DeadlineExceeded", "ClientGone"])
