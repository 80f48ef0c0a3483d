"""Compression both ways, seen from the wire: how many bytes a message takes that compresses well."""


import grpc

from calls import ADDRESS, ECHOES, ParityTest, messages, stubs
from wire_tap import WireTap

TEXT = "Ambidex " * 50_000


class Compression(ParityTest):
    def tapped(self, compression, options=()):
        """A stub whose traffic is counted, and the counter."""
        tap = WireTap(ADDRESS)
        self.addCleanup(tap.close)
        channel = grpc.insecure_channel(tap.address, compression=compression, options=options)
        self.addCleanup(channel.close)
        return stubs.ParityStub(channel), tap

    def test_compressed_requests_are_read(self):
        for compression in [grpc.Compression.Gzip, grpc.Compression.Deflate]:
            for method in ECHOES:
                with self.subTest(compression.name, method=method):
                    parity, tap = self.tapped(compression)
                    reply = getattr(parity, method)(messages.EchoRequest(text=TEXT))
                    self.assertEqual(reply.text, TEXT)
                    self.assertLess(tap.bytes_sent, len(TEXT) / 10)

    def test_replies_are_compressed_for_a_client_that_accepts_it(self):
        parity, tap = self.tapped(grpc.Compression.Gzip)
        self.assertEqual(parity.Echo(messages.EchoRequest(text=TEXT)).text, TEXT)
        self.assertLess(tap.bytes_received, len(TEXT) / 10)

    def test_replies_are_not_compressed_for_a_client_that_does_not(self):
        # A bit for each algorithm; the lowest is identity.
        options = [("grpc.compression_enabled_algorithms_bitset", 1)]
        parity, tap = self.tapped(grpc.Compression.NoCompression, options)
        self.assertEqual(parity.Echo(messages.EchoRequest(text=TEXT)).text, TEXT)
        self.assertGreater(tap.bytes_received, len(TEXT))

    def test_every_message_of_a_stream_is_compressed(self):
        parity, tap = self.tapped(grpc.Compression.Gzip)
        plan = messages.Plan(fail_message=TEXT)
        reply = parity.Sum(iter([messages.SumRequest(number=1, plan=plan)] * 5))
        self.assertEqual(reply.sum, 5)
        self.assertLess(tap.bytes_sent, len(TEXT) / 10)
