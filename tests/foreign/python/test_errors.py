"""Errors that handlers end with: code, message and details, before and after the first message."""


import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from calls import COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages

MESSAGES = {
    "plain": "is not to my liking",
    "beyond ASCII": "größer als 5 € 🦀",
    "percent signs": "100% of %41 and %zz",
    "control characters": "two\nlines\tand a bell\x07",
    "blanks at both ends": " a ",
    "long": "long " * 200,
}


def failing(code, message="", details=False):
    return messages.Plan(fail_code=code.value[0], fail_message=message, fail_details=details)


class Errors(ParityTest):
    def test_every_code_arrives(self):
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            with self.subTest(code.name):
                error = self.fails_with(code, lambda: self.echo(plan=failing(code, "no")))
                self.assertEqual(error.details(), "no")

    def test_every_message_arrives(self):
        for kind, message in MESSAGES.items():
            with self.subTest(kind):
                error = self.fails(lambda: self.echo(plan=failing(grpc.StatusCode.ABORTED, message)))
                self.assertEqual(error.details(), message)

    def test_details_arrive_typed(self):
        for method in ECHOES:
            with self.subTest(method):
                plan = failing(grpc.StatusCode.INVALID_ARGUMENT, "wröng", details=True)
                status = rpc_status.from_call(self.fails(lambda: self.echo(method, plan=plan)))
                self.assertEqual((status.code, status.message), (3, "wröng"))
                [detail] = status.details
                request = error_details_pb2.BadRequest()
                self.assertTrue(detail.Unpack(request))
                [violation] = request.field_violations
                self.assertEqual(violation.field, "text")
                self.assertEqual(violation.description, "is not to my liking")

    def test_trailing_metadata_come_with_an_error(self):
        sent = [("x-trail-a", "1"), ("x-trail-a", "2"), ("x-trail-b-bin", b"\x00\xff")]
        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                plan = failing(grpc.StatusCode.ABORTED, "no", details=True)
                plan.echo_metadata = True
                error = self.fails_with(
                    grpc.StatusCode.ABORTED, lambda: self.echo(method, plan=plan, metadata=sent)
                )
                ours = [entry for entry in error.trailing_metadata() if entry[0].startswith("x-trail-")]
                self.assertEqual(sorted(map(tuple, ours)), sent)
                self.assertEqual(len(rpc_status.from_call(error).details), 1)

    def test_messages_before_an_error_arrive(self):
        for method in COUNTS:
            with self.subTest(method):
                plan = failing(grpc.StatusCode.DATA_LOSS, "lost", details=True)
                replies = getattr(self.parity, method)(messages.CountRequest(to=2, plan=plan))
                self.assertEqual([next(replies).number, next(replies).number], [1, 2])
                error = self.fails_with(grpc.StatusCode.DATA_LOSS, lambda: next(replies))
                self.assertEqual(len(rpc_status.from_call(error).details), 1)

    def test_a_stream_may_fail_before_its_first_message(self):
        for method in COUNTS:
            with self.subTest(method):
                plan = failing(grpc.StatusCode.NOT_FOUND, "nothing to count")
                replies = getattr(self.parity, method)(messages.CountRequest(plan=plan))
                error = self.fails_with(grpc.StatusCode.NOT_FOUND, lambda: next(replies))
                self.assertEqual(error.details(), "nothing to count")

    def test_an_error_does_not_wait_for_the_end_of_the_requests(self):
        def requests():
            yield messages.SumRequest(plan=failing(grpc.StatusCode.ABORTED, "enough"))
            while True:
                yield messages.SumRequest(number=1)

        for method in SUMS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                error = self.fails_with(grpc.StatusCode.ABORTED, lambda: call(requests(), timeout=30))
                self.assertEqual(error.details(), "enough")

    def test_an_error_ends_both_directions(self):
        def requests():
            yield messages.SumRequest(number=1)
            yield messages.SumRequest(plan=failing(grpc.StatusCode.OUT_OF_RANGE, "enough"))

        for method in RUNNINGS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(requests())
                self.assertEqual(next(replies).sum, 1)
                self.fails_with(grpc.StatusCode.OUT_OF_RANGE, lambda: next(replies))


class Panics(ParityTest):
    def expect_internal(self, call):
        error = self.fails_with(grpc.StatusCode.INTERNAL, call)
        self.assertNotIn("secret", error.details())

    def test_a_panic_is_internal_and_says_nothing_of_the_inside(self):
        for method in ECHOES:
            with self.subTest(method):
                self.expect_internal(lambda: self.echo(method, plan=messages.Plan(panic=True)))
        self.still_serves()

    def test_a_panic_in_a_stream_ends_it(self):
        for method in COUNTS:
            with self.subTest(method):
                request = messages.CountRequest(to=1, plan=messages.Plan(panic=True))
                replies = getattr(self.parity, method)(request)
                self.assertEqual(next(replies).number, 1)
                self.expect_internal(lambda: next(replies))
        self.still_serves()

    def test_a_panic_is_its_callers_alone(self):
        neighbour = self.parity.EchoBlocking.future(
            messages.EchoRequest(text="unharmed", plan=messages.Plan(sleep_ms=200))
        )
        self.expect_internal(lambda: self.echo("EchoBlocking", plan=messages.Plan(panic=True)))
        self.assertEqual(neighbour.result(timeout=30).text, "unharmed")
