"""Calls of every kind, to async and to blocking handlers."""

from queue import SimpleQueue

from calls import COUNTS, ECHOES, RUNNINGS, SUMS, ParityTest, messages, numbers


class Unary(ParityTest):
    def test_a_message_comes_back_as_it_was_sent(self):
        part = messages.Item(name="part", batch=2**64 - 1, fragile=False)
        item = messages.Item(
            name="näme",
            count=-(2**63),
            weight=float("inf"),
            data=bytes(range(256)),
            color=messages.GREEN,
            tags=["a", "", "b"],
            stock={"x": 1, "": -1},
            maker="",
            part=part,
        )
        item.made.FromJsonString("2024-02-29T23:59:59.999999999Z")
        for method in ECHOES:
            with self.subTest(method):
                reply = self.echo(method, text="hello", item=item, numbers=[1, -1, 2**31 - 1])
                self.assertEqual(reply.text, "hello")
                self.assertEqual(reply.item, item)
                self.assertEqual(reply.numbers, [1, -1, 2**31 - 1])

    def test_an_empty_message_is_a_message(self):
        for method in ECHOES:
            with self.subTest(method):
                self.assertEqual(self.echo(method).text, "")

    def test_a_blocking_handler_runs_on_the_scheduler_and_an_async_one_does_not(self):
        self.assertFalse(self.echo("Echo").on_scheduler)
        self.assertTrue(self.echo("EchoBlocking").on_scheduler)
        self.assertTrue(self.echo("EchoOffloaded").on_scheduler)

    def test_a_handler_knows_its_call(self):
        for method in ["Describe", "DescribeBlocking"]:
            with self.subTest(method):
                call = getattr(self.parity, method)
                known = call(messages.DescribeRequest(), timeout=30, metadata=[("x-deep", "found")])
                self.assertEqual(known.protocol, "grpc")
                self.assertEqual(known.method, f"parity.v1.Parity/{method}")
                self.assertTrue(known.has_deadline)
                self.assertTrue(known.has_peer)
                self.assertEqual(known.deep_metadata, "found")

    def test_a_call_without_a_timeout_has_no_deadline(self):
        self.assertFalse(self.parity.Describe(messages.DescribeRequest()).has_deadline)

    def test_a_method_for_raw_http_bodies_is_called_as_any_other(self):
        reply = self.parity.Raw(messages.RawRequest())
        self.assertEqual((reply.content_type, reply.data), ("text/plain; charset=utf-8", b"raw"))
        pieces = self.parity.RawStream(messages.RawRequest())
        self.assertEqual([piece.data for piece in pieces], [b"one,", b"two,", b"three"])


class ServerStreaming(ParityTest):
    def test_messages_arrive_in_order(self):
        for method in COUNTS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(messages.CountRequest(to=1000))
                self.assertEqual([reply.number for reply in replies], list(range(1, 1001)))

    def test_a_stream_may_be_empty(self):
        for method in COUNTS:
            with self.subTest(method):
                self.assertEqual(list(getattr(self.parity, method)(messages.CountRequest())), [])

    def test_each_message_arrives_when_it_is_made(self):
        # After the first one nothing comes until the call is cancelled: it cannot have waited for company.
        for method in COUNTS:
            with self.subTest(method):
                plan = messages.Plan(await_cancel=f"after-the-first-of-{method}")
                replies = getattr(self.parity, method)(messages.CountRequest(to=1, plan=plan), timeout=30)
                self.assertEqual(next(replies).number, 1)
                replies.cancel()


class ClientStreaming(ParityTest):
    def test_all_messages_are_read(self):
        for method in SUMS:
            with self.subTest(method):
                reply = getattr(self.parity, method)(numbers(*range(1000)))
                self.assertEqual((reply.sum, reply.count), (499_500, 1000))

    def test_a_stream_may_be_empty(self):
        for method in SUMS:
            with self.subTest(method):
                reply = getattr(self.parity, method)(numbers())
                self.assertEqual((reply.sum, reply.count), (0, 0))


class Bidirectional(ParityTest):
    def test_every_message_has_its_reply(self):
        for method in RUNNINGS:
            with self.subTest(method):
                replies = getattr(self.parity, method)(numbers(1, 2, 3))
                self.assertEqual([reply.sum for reply in replies], [1, 3, 6])

    def test_a_reply_arrives_before_the_next_request_is_sent(self):
        for method in RUNNINGS:
            with self.subTest(method):
                requests = SimpleQueue()
                replies = getattr(self.parity, method)(iter(requests.get, None), timeout=30)
                for number in range(1, 11):
                    requests.put(messages.SumRequest(number=number))
                    self.assertEqual(next(replies).sum, number * (number + 1) // 2)
                requests.put(None)
                self.assertEqual(list(replies), [])

    def test_no_request_is_no_reply(self):
        for method in RUNNINGS:
            with self.subTest(method):
                self.assertEqual(list(getattr(self.parity, method)(numbers())), [])
