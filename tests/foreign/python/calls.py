"""The service under test as a Python client has it: messages and stubs made from its .proto, and a channel.

The .proto files are compiled anew for each run, so that what is tested is what is written there.
"""

import atexit
import faulthandler
import importlib
import os
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

import grpc
import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = os.environ["PARITY_ADDRESS"]

# A call that nobody answers must not hold the test run: after this long, every stack is printed instead.
faulthandler.dump_traceback_later(120, exit=True)


def compiled(proto, below=ROOT / "proto"):
    """Compiles a .proto of that folder and returns its messages and its stubs."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    paths = [below, well_known]
    out = [f"--python_out={folder.name}", f"--grpc_python_out={folder.name}"]
    if protoc.main(["protoc", *(f"--proto_path={path}" for path in paths), *out, proto]):
        raise RuntimeError(f"protoc cannot compile {proto}")
    sys.path.append(folder.name)
    module = proto.removesuffix(".proto").replace("/", ".")
    return importlib.import_module(f"{module}_pb2"), importlib.import_module(f"{module}_pb2_grpc")


messages, stubs = compiled("parity/v1/parity.proto")

ECHOES = ["Echo", "EchoBlocking", "EchoOffloaded"]
COUNTS = ["Count", "CountBlocking"]
SUMS = ["Sum", "SumBlocking"]
RUNNINGS = ["Running", "RunningBlocking"]


class ParityTest(unittest.TestCase):
    """A test with a connection of its own."""

    # What a test gives its channel beyond grpcio's defaults.
    channel_options = []

    def setUp(self):
        self.channel = grpc.insecure_channel(ADDRESS, options=self.channel_options)
        self.addCleanup(self.channel.close)
        self.parity = stubs.ParityStub(self.channel)

    def echo(self, method="Echo", *, timeout=30, metadata=None, compression=None, **request):
        """Makes one echo call and returns its reply."""
        call = getattr(self.parity, method)
        request = messages.EchoRequest(**request)
        return call(request, timeout=timeout, metadata=metadata, compression=compression)

    def fails(self, call):
        """Expects `call` to fail, and returns its error."""
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        return raised.exception

    def fails_with(self, code, call):
        """Expects `call` to fail with this code, and returns its error."""
        error = self.fails(call)
        self.assertEqual(error.code(), code, error.details())
        return error

    def still_serves(self):
        self.assertEqual(self.echo(text="still here").text, "still here")

    def cancel_reason(self, cancelled):
        """What the handler of a cancelled call saw.

        `cancelled(key, seconds)` makes a call with this key to wait under, and ends it after this long. On a busy
        machine that may be before the handler has begun, which then never hears of it: so again, with more time.
        """
        for seconds in [0.2, 1, 4, 16]:
            key = str(uuid.uuid4())
            cancelled(key, seconds)
            if reason := self._observed(key):
                return reason
        self.fail("no handler ever heard that its call was cancelled")

    def _observed(self, key):
        for _ in range(100):
            if reason := self.parity.Observe(messages.ObserveRequest(key=key)).reason:
                return reason
            time.sleep(0.02)
        return None


def numbers(*values):
    """The requests that add up or run over these numbers."""
    return iter([messages.SumRequest(number=value) for value in values])
