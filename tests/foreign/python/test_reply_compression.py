"""Replies that the server compresses for clients who only say that they could unpack them, as grpcio does unasked."""

import unittest

import grpc

from calls import ADDRESS, ECHOES, RUNNINGS, ParityTest, messages, numbers, stubs
from wire_tap import WireTap

TEXT = "Ambidex " * 50_000


class ReplyCompression(ParityTest):
    def tapped(self, options=()):
        """A stub whose traffic is counted, and the counter. What it sends is not compressed."""
        tap = WireTap(ADDRESS)
        self.addCleanup(tap.close)
        channel = grpc.insecure_channel(tap.address, options=options)
        self.addCleanup(channel.close)
        return stubs.ParityStub(channel), tap

    def test_a_reply_is_compressed(self):
        for method in ECHOES:
            with self.subTest(method):
                parity, tap = self.tapped()
                reply = getattr(parity, method)(messages.EchoRequest(text=TEXT), timeout=30)
                self.assertEqual(reply.text, TEXT)
                self.assertGreater(tap.bytes_sent, len(TEXT))
                self.assertLess(tap.bytes_received, len(TEXT) / 10)

    def test_every_message_of_a_stream_is_read(self):
        for method in RUNNINGS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(numbers(*range(1, 301)), timeout=30)
                self.assertEqual([reply.sum for reply in replies][-1], 45_150)

    def test_a_handler_may_say_no(self):
        parity, tap = self.tapped()
        reply = parity.Echo(messages.EchoRequest(text=TEXT), metadata=[("x-uncompressed", "1")], timeout=30)
        self.assertEqual(reply.text, TEXT)
        self.assertGreater(tap.bytes_received, len(TEXT))

    def test_who_cannot_unpack_has_it_as_it_is(self):
        # A bit for each algorithm; the lowest is identity.
        parity, tap = self.tapped([("grpc.compression_enabled_algorithms_bitset", 1)])
        self.assertEqual(parity.Echo(messages.EchoRequest(text=TEXT), timeout=30).text, TEXT)
        self.assertGreater(tap.bytes_received, len(TEXT))

    def test_an_error_is_an_error(self):
        plan = messages.Plan(fail_code=5, fail_message="nowhere")
        error = self.fails_with(grpc.StatusCode.NOT_FOUND, lambda: self.echo(plan=plan))
        self.assertEqual(error.details(), "nowhere")


class ReplyCompressionOfAsyncio(unittest.IsolatedAsyncioTestCase):
    async def test_replies_and_streams_are_compressed(self):
        tap = WireTap(ADDRESS)
        self.addCleanup(tap.close)
        async with grpc.aio.insecure_channel(tap.address) as channel:
            parity = stubs.ParityStub(channel)
            reply = await parity.EchoBlocking(messages.EchoRequest(text=TEXT), timeout=30)
            self.assertEqual(reply.text, TEXT)
            self.assertLess(tap.bytes_received, len(TEXT) / 10)
            replies = parity.RunningBlocking(numbers(*range(1, 301)), timeout=30)
            self.assertEqual([reply.sum async for reply in replies][-1], 45_150)
