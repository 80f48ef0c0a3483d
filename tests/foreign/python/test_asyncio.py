"""grpc.aio, grpcio's other client: all that the sync one is asked of, too."""

import asyncio
import unittest
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status.rpc_status import GRPC_DETAILS_METADATA_KEY
from grpc_status.rpc_status import aio as rpc_status

from calls import ADDRESS, COUNTS, ECHOES, RUNNINGS, SUMS, messages, numbers, stubs
from wire_tap import WireTap


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.channel = grpc.aio.insecure_channel(ADDRESS)
        self.parity = stubs.ParityStub(self.channel)

    async def asyncTearDown(self):
        await self.channel.close()

    async def test_calls_of_every_kind(self):
        for method in ECHOES:
            reply = await getattr(self.parity, method)(messages.EchoRequest(text="hello"))
            self.assertEqual(reply.text, "hello")
        for method in COUNTS:
            replies = getattr(self.parity, method)(messages.CountRequest(to=3))
            self.assertEqual([reply.number async for reply in replies], [1, 2, 3])
        for method in SUMS:
            reply = await getattr(self.parity, method)(numbers(1, 2, 3))
            self.assertEqual(reply.sum, 6)
        for method in RUNNINGS:
            replies = getattr(self.parity, method)(numbers(1, 2, 3))
            self.assertEqual([reply.sum async for reply in replies], [1, 3, 6])

    async def test_a_conversation_in_turns(self):
        for method in RUNNINGS:
            call = getattr(self.parity, method)(timeout=30)
            for number, total in [(1, 1), (2, 3), (3, 6)]:
                await call.write(messages.SumRequest(number=number))
                self.assertEqual((await call.read()).sum, total)
            await call.done_writing()
            self.assertIs(await call.read(), grpc.aio.EOF)
            self.assertEqual(await call.code(), grpc.StatusCode.OK)

    async def test_an_error_has_its_code_and_message(self):
        plan = messages.Plan(fail_code=5, fail_message="nöwhere")
        with self.assertRaises(grpc.aio.AioRpcError) as raised:
            await self.parity.EchoBlocking(messages.EchoRequest(plan=plan))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(raised.exception.details(), "nöwhere")

    async def test_trailing_metadata_come_with_an_error(self):
        sent = [("x-trail-a", "1"), ("x-trail-a", "2"), ("x-trail-b-bin", b"\x00\xff")]
        plan = messages.Plan(fail_code=10, fail_message="no", echo_metadata=True)
        for method in ["Echo", "EchoBlocking"]:
            with self.assertRaises(grpc.aio.AioRpcError) as raised:
                await getattr(self.parity, method)(messages.EchoRequest(plan=plan), metadata=sent)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.ABORTED)
            ours = [entry for entry in raised.exception.trailing_metadata() if entry[0].startswith("x-trail-")]
            self.assertEqual(sorted(map(tuple, ours)), sent)

    async def test_messages_before_an_error_arrive(self):
        plan = messages.Plan(fail_code=15, fail_message="lost")
        for method in COUNTS:
            call = getattr(self.parity, method)(messages.CountRequest(to=2, plan=plan))
            self.assertEqual([(await call.read()).number, (await call.read()).number], [1, 2])
            with self.assertRaises(grpc.aio.AioRpcError):
                await call.read()
            self.assertEqual((await call.code(), await call.details()), (grpc.StatusCode.DATA_LOSS, "lost"))

    async def test_details_arrive_typed(self):
        plan = messages.Plan(fail_code=3, fail_message="wröng", fail_details=True)
        for method in ECHOES:
            call = getattr(self.parity, method)(messages.EchoRequest(plan=plan))
            self.assertEqual(await call.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn(GRPC_DETAILS_METADATA_KEY, (await call.trailing_metadata()).keys())
            status = await rpc_status.from_call(call)
            self.assertEqual((status.code, status.message), (3, "wröng"))
            [detail] = status.details
            request = error_details_pb2.BadRequest()
            self.assertTrue(detail.Unpack(request))
            self.assertEqual(request.field_violations[0].description, "is not to my liking")

    async def test_metadata_go_both_ways(self):
        leading = [("x-echo-a", "1"), ("x-echo-a", "2"), ("x-echo-b-bin", b"\x00\xff"), ("x-echo-b-bin", b"")]
        trailing = [("x-trail-a", "3"), ("x-trail-a", "4"), ("x-trail-b-bin", b"\xfe")]
        request = messages.EchoRequest(plan=messages.Plan(echo_metadata=True))
        for method in ["Echo", "EchoBlocking"]:
            call = getattr(self.parity, method)(request, metadata=leading + trailing)
            await call
            ours = [
                [(name, value) for name, value in entries if name.startswith("x-")]
                for entries in (await call.initial_metadata(), await call.trailing_metadata())
            ]
            self.assertEqual([sorted(entries) for entries in ours], [sorted(leading), sorted(trailing)])

    async def test_compression_goes_both_ways(self):
        text = "Ambidex " * 50_000
        for compression in [grpc.Compression.Gzip, grpc.Compression.Deflate]:
            tap = WireTap(ADDRESS)
            self.addCleanup(tap.close)
            async with grpc.aio.insecure_channel(tap.address, compression=compression) as channel:
                reply = await stubs.ParityStub(channel).Echo(messages.EchoRequest(text=text))
            self.assertEqual(reply.text, text)
            self.assertLess(tap.bytes_sent, len(text) / 10)
            self.assertLess(tap.bytes_received, len(text) / 10)

    async def test_a_deadline_bounds_a_whole_stream(self):
        for method in COUNTS:
            call = getattr(self.parity, method)(messages.CountRequest(to=1000, pause_ms=20), timeout=2)
            self.assertEqual((await call.read()).number, 1)
            with self.assertRaises(grpc.aio.AioRpcError):
                while await call.read() is not grpc.aio.EOF:
                    pass
            self.assertEqual(await call.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    async def test_a_handler_learns_that_its_caller_has_left_whatever_the_kind(self):
        kinds = [
            (ECHOES, lambda plan: messages.EchoRequest(plan=plan)),
            (COUNTS, lambda plan: messages.CountRequest(to=1, plan=plan)),
            (SUMS, lambda plan: iter([messages.SumRequest(plan=plan)])),
            (RUNNINGS, lambda plan: iter([messages.SumRequest(plan=plan)])),
        ]
        for methods, request in kinds:
            for method in methods:
                with self.subTest(method):
                    self.assertEqual(await self.reason_after_leaving(method, request), "ClientGone")

    async def reason_after_leaving(self, method, request):
        """Cancels a call while its handler waits, and returns what that saw; later each time, as it may not have begun."""
        for seconds in [0.2, 1, 4, 16]:
            key = str(uuid.uuid4())
            call = getattr(self.parity, method)(request(messages.Plan(await_cancel=key)))
            # A call of grpc.aio is on its way once the loop has turned.
            await asyncio.sleep(seconds)
            self.assertTrue(call.cancel())
            self.assertEqual(await call.code(), grpc.StatusCode.CANCELLED)
            for _ in range(100):
                if reason := (await self.parity.Observe(messages.ObserveRequest(key=key))).reason:
                    return reason
                await asyncio.sleep(0.02)
        self.fail("no handler ever heard that its call was cancelled")

    async def test_a_deadline_ends_a_call(self):
        plan = messages.Plan(sleep_ms=10_000)
        with self.assertRaises(grpc.aio.AioRpcError) as raised:
            await self.parity.Echo(messages.EchoRequest(plan=plan), timeout=0.1)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    async def test_a_stream_that_is_cancelled_ends(self):
        for method in COUNTS:
            plan = messages.Plan(await_cancel=f"asyncio-{method}")
            call = getattr(self.parity, method)(messages.CountRequest(to=1, plan=plan))
            self.assertEqual((await call.read()).number, 1)
            call.cancel()
            self.assertEqual(await call.code(), grpc.StatusCode.CANCELLED)

    async def test_many_calls_at_once(self):
        calls = [self.parity.EchoBlocking(messages.EchoRequest(text=str(i))) for i in range(300)]
        replies = await asyncio.gather(*calls)
        self.assertEqual([reply.text for reply in replies], [str(i) for i in range(300)])
