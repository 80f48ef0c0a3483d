"""grpc.aio, grpcio's other client: the kinds, an error, a deadline and a cancellation."""

import asyncio
import unittest

import grpc

from calls import ADDRESS, COUNTS, ECHOES, RUNNINGS, SUMS, messages, numbers, stubs


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
