"""Requests that a server must refuse by itself: no such method, bytes that are no message, too many, too large."""


import grpc

from calls import COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages

LIMIT_BYTES = 4 * 1024 * 1024
# A string field of the limit's size has a tag and a length of four bytes before it.
TEXT_AT_LIMIT = "x" * (LIMIT_BYTES - 5)

# Field 1 with a length that the message does not have.
NOT_PROTOBUF = b"\x0a\xff"


def path(method):
    return f"/parity.v1.Parity/{method}"


class UnknownMethods(ParityTest):
    def test_a_method_nobody_has_is_unimplemented(self):
        for unknown in ["/parity.v1.Parity/Nothing", "/no.such.v1.Service/Echo", "/parity.v1.Parity/echo"]:
            with self.subTest(unknown):
                call = self.channel.unary_unary(unknown)
                self.fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: call(b""))
        self.still_serves()

    def test_a_stream_to_a_method_nobody_has_is_unimplemented(self):
        call = self.channel.stream_stream("/parity.v1.Parity/Nothing")
        self.fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: list(call(iter([b"", b""]))))


class BytesThatAreNoMessage(ParityTest):
    def test_the_only_message(self):
        for method in ECHOES:
            with self.subTest(method):
                call = self.channel.unary_unary(path(method))
                self.fails_with(grpc.StatusCode.INVALID_ARGUMENT, lambda: call(NOT_PROTOBUF))
        self.still_serves()

    def test_a_later_message_of_a_stream(self):
        for method in SUMS:
            with self.subTest(method):
                call = self.channel.stream_unary(path(method))
                requests = [b"\x08\x01", NOT_PROTOBUF]
                self.fails_with(grpc.StatusCode.INVALID_ARGUMENT, lambda: call(iter(requests)))

    def test_a_later_message_of_a_conversation(self):
        for method in RUNNINGS:
            with self.subTest(method):
                replies = self.channel.stream_stream(path(method))(iter([b"\x08\x01", NOT_PROTOBUF]))
                self.assertEqual(messages.SumResponse.FromString(next(replies)).sum, 1)
                self.fails_with(grpc.StatusCode.INVALID_ARGUMENT, lambda: next(replies))


class HowManyMessages(ParityTest):
    """https://github.com/grpc/grpc/blob/master/doc/statuscodes.md: a cardinality violation is UNIMPLEMENTED."""

    def test_none_where_one_is_due(self):
        for method in ECHOES + COUNTS:
            with self.subTest(method):
                replies = self.channel.stream_stream(path(method))(iter([]))
                self.fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: list(replies))

    def test_two_where_one_is_due(self):
        for method in ECHOES + COUNTS:
            with self.subTest(method):
                replies = self.channel.stream_stream(path(method))(iter([b"", b""]))
                self.fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: list(replies))


class Sizes(ParityTest):
    channel_options = [("grpc.max_receive_message_length", -1)]

    def test_a_message_at_the_limit_passes(self):
        for method in ECHOES:
            with self.subTest(method):
                self.assertEqual(len(self.echo(method, text=TEXT_AT_LIMIT).text), len(TEXT_AT_LIMIT))

    def test_one_byte_more_is_resource_exhausted(self):
        for method in ECHOES:
            with self.subTest(method):
                too_large = TEXT_AT_LIMIT + "x"
                self.fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: self.echo(method, text=too_large))
        self.still_serves()

    def test_a_message_that_grows_over_the_limit_when_decompressed_is_resource_exhausted(self):
        # Some 20 KB on the wire.
        bomb = "x" * (5 * LIMIT_BYTES)
        for compression in [grpc.Compression.Gzip, grpc.Compression.Deflate]:
            with self.subTest(compression.name):
                self.fails_with(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    lambda: self.echo(text=bomb, compression=compression),
                )
        self.still_serves()

    def test_a_later_message_of_a_stream_over_the_limit_is_resource_exhausted(self):
        too_large = messages.SumRequest(plan=messages.Plan(fail_message=TEXT_AT_LIMIT))
        for method in SUMS:
            with self.subTest(method):
                call = getattr(self.parity, method)
                requests = [messages.SumRequest(number=1), too_large]
                self.fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: call(iter(requests)))
