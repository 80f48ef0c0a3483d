"""A relay between a client and the server that counts the bytes of each direction.

How a message was compressed is nothing that grpcio tells; how many bytes it was is.
"""

import socket
import threading


class WireTap:
    """Listens on a port of its own and relays one connection after another to `address`."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.bytes_sent = 0
        self.bytes_received = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._relay, args=(client, server, "bytes_sent"), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, "bytes_received"), daemon=True).start()

    def _relay(self, source, sink, counter):
        try:
            while data := source.recv(65536):
                # Each counter has one thread that writes it, as the tests open one connection.
                setattr(self, counter, getattr(self, counter) + len(data))
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()
