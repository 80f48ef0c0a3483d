"""Metadata both ways: text and bytes, initial and trailing."""

import unittest

from calls import ParityTest, messages

PLAN = messages.Plan(echo_metadata=True)


class Metadata(ParityTest):
    def sent_back(self, *metadata, method="Echo"):
        """Sends metadata and returns what comes back of it: initial and trailing."""
        call = getattr(self.parity, method)
        _, call = call.with_call(messages.EchoRequest(plan=PLAN), metadata=metadata)
        ours = [
            sorted((name, value) for name, value in entries if name.startswith("x-"))
            for entries in (call.initial_metadata(), call.trailing_metadata())
        ]
        return tuple(ours)

    def test_initial_metadata_comes_back_as_initial_metadata(self):
        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                initial, trailing = self.sent_back(("x-echo-a", "one, two ~!"), method=method)
                self.assertEqual(initial, [("x-echo-a", "one, two ~!")])
                self.assertEqual(trailing, [])

    def test_trailing_metadata_comes_back_as_trailing_metadata(self):
        for method in ["Echo", "EchoBlocking"]:
            with self.subTest(method):
                initial, trailing = self.sent_back(("x-trail-a", "last"), method=method)
                self.assertEqual(initial, [])
                self.assertEqual(trailing, [("x-trail-a", "last")])

    def test_bytes_of_any_length_survive(self):
        # Each length ends its base64 in another way.
        for length in range(6):
            with self.subTest(length=length):
                value = bytes(range(255, 255 - length, -1))
                initial, trailing = self.sent_back(("x-echo-b-bin", value), ("x-trail-b-bin", value))
                self.assertEqual(initial, [("x-echo-b-bin", value)])
                self.assertEqual(trailing, [("x-trail-b-bin", value)])

    def test_several_values_of_one_name_all_come_back(self):
        sent = [("x-echo-a", "1"), ("x-echo-a", "2"), ("x-trail-a", "3"), ("x-trail-a", "4")]
        self.assertEqual(self.sent_back(*sent), (sent[:2], sent[2:]))

    def test_several_values_of_bytes_all_come_back(self):
        sent = [("x-echo-b-bin", b"\x00"), ("x-echo-b-bin", b"\xff\xfe")]
        self.assertEqual(self.sent_back(*sent), (sent, []))

    def test_deep_code_finds_metadata(self):
        for method in ["Describe", "DescribeBlocking"]:
            with self.subTest(method):
                call = getattr(self.parity, method)
                known = call(messages.DescribeRequest(), metadata=[("x-deep", "found")])
                self.assertEqual(known.deep_metadata, "found")
