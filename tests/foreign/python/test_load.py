"""Many calls at once on one connection, and more data than its flow-control windows hold."""

from concurrent import futures

from calls import COUNTS, ParityTest, messages

CALLS = 500


class Load(ParityTest):
    channel_options = [("grpc.max_receive_message_length", -1)]

    def test_more_calls_than_a_connection_has_streams_are_all_answered(self):
        for method in ["Echo", "EchoBlocking", "EchoOffloaded"]:
            with self.subTest(method):
                call = getattr(self.parity, method)
                calls = [call.future(messages.EchoRequest(text=str(i)), timeout=60) for i in range(CALLS)]
                self.assertEqual([call.result().text for call in calls], [str(i) for i in range(CALLS)])

    def test_streams_side_by_side_do_not_mix(self):
        def last(i):
            method = COUNTS[i % len(COUNTS)]
            replies = getattr(self.parity, method)(messages.CountRequest(to=i), timeout=60)
            return [reply.number for reply in replies]

        with futures.ThreadPoolExecutor(20) as pool:
            for i, counted in enumerate(pool.map(last, range(100))):
                self.assertEqual(counted, list(range(1, i + 1)))

    def test_large_messages_side_by_side_all_arrive(self):
        text = "x" * 1_000_000
        calls = [self.parity.Echo.future(messages.EchoRequest(text=text), timeout=60) for _ in range(20)]
        for call in calls:
            self.assertEqual(len(call.result().text), len(text))

    def test_a_client_that_reads_slowly_gets_everything(self):
        replies = self.parity.CountBlocking(messages.CountRequest(to=20_000), timeout=60)
        self.assertEqual(next(replies).number, 1)
        # Other calls of the connection go on while this one is not read.
        self.still_serves()
        self.assertEqual(sum(1 for _ in replies), 19_999)
