"""A network between a browser and the server that loses what is sent, breaks, and comes back."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset, as from a network that has gone


class LossyLink:
    """Passes bytes on to a port of this machine; use it as a context manager and connect to ``port``."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.is_up_lost = self.is_down_lost = False
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> LossyLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def lose_what_is_sent(self) -> None:
        """From now on nothing reaches the server, though the connection seems to stand."""
        self.is_up_lost = True

    def lose_what_comes(self) -> None:
        """From now on nothing reaches the browser, though the connection seems to stand."""
        self.is_down_lost = True

    def cut(self) -> None:
        """Break all connections and take no new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def mend(self) -> None:
        """Take connections again, at the same port."""
        self.is_up_lost = self.is_down_lost = False
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._open += [near, far]
                threading.Thread(target=self._pass_on, args=(near, far, "is_up_lost"), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(far, near, "is_down_lost"), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_lost: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not getattr(self, is_lost):
                    target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
