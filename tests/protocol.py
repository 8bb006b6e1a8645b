"""A rater without a browser: speaks Streamlit's protocol, one websocket and one page for each ``Tab``.

It keeps what a browser would show, and every frame, so that tests can make hundreds of votes and look at all bytes.
"""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

TIMEOUT_S = 30
_TOKEN = re.compile(r"-(\w+)-([0-9a-f]{8}-[0-9a-f-]{27})$")


def sign_in(base_url: str, link: str) -> dict[str, str]:
    """The cookies of a browser that followed a sign-in link."""
    with httpx.Client(base_url=base_url, trust_env=False) as client:
        answer = client.get(link)
        assert answer.status_code == 303, answer.text
        return dict(client.cookies)


class Tab:
    """One tab: connects and loads the page at once. Every element is kept by its place, as the browser does."""

    def __init__(
        self,
        base_url: str,
        cookies: dict[str, str] | None = None,
        *,
        page: str = "",
        resume: str = "",
        origin: str | None = None,
        host: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        cookie = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        connected = connect(
            f"ws://{host or parts.netloc}/_stcore/stream",
            sock=socket.create_connection((parts.hostname, parts.port), TIMEOUT_S),
            origin=base_url if origin is None else origin or None,  # "" sends none
            subprotocols=["streamlit", "none", *([resume] if resume else [])],
            additional_headers={**({"Cookie": cookie} if cookie else {}), **(headers or {})},
            compression=None,
            max_size=None,
            open_timeout=TIMEOUT_S,
        )
        self._exits = ExitStack()
        self.socket: ClientConnection = self._exits.enter_context(connected)
        self.page, self.frames, self.session_id = page, list[bytes](), ""
        self._run, self._elements = 0, dict[tuple[int, ...], tuple[int, str, Any]]()
        self._page_hash = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None):
        self.close()

    def close(self) -> None:
        self._exits.close()

    def load(self) -> Self:
        """Ask for the page and wait until it is drawn."""
        self.send(self._rerun())
        self.wait()
        return self

    def _rerun(self) -> BackMsg:
        message = BackMsg()
        if self._page_hash:
            message.rerun_script.page_script_hash = self._page_hash
        else:
            message.rerun_script.page_name = self.page
        return message

    def send(self, message: BackMsg) -> None:
        self.socket.send(message.SerializeToString())

    def press(self, label: str) -> None:
        """Send the click on the button with this label, and wait for nothing."""
        self.press_widget(*self.widget(label))

    def widget(self, label: str) -> tuple[str, str]:
        """What a click on the button with this label carries: the ids of its fragment and of itself."""
        return next((fragment, button.id) for fragment, button in self._buttons() if button.label == label)

    def press_widget(self, fragment_id: str, widget_id: str) -> None:
        """Send a click, be such a button on this page or not."""
        message = self._rerun()
        message.rerun_script.fragment_id = fragment_id
        widget = message.rerun_script.widget_states.widgets.add()
        widget.id, widget.trigger_value = widget_id, True
        self.send(message)

    def click(self, label: str) -> None:
        """Click the button with this label and wait until the page is drawn."""
        self.press(label)
        self.wait()

    def wait(self) -> None:
        """Read until a run has ended, not merely been replaced by the next."""
        while self.read().WhichOneof("type") != "script_finished" or self._ended_early():
            pass

    def _ended_early(self) -> bool:
        return self._last.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def read(self) -> ForwardMsg:
        """The next message of the server, applied to the page."""
        frame = self.socket.recv(TIMEOUT_S)
        assert isinstance(frame, bytes)
        self.frames.append(frame)
        self._last = message = ForwardMsg.FromString(frame)
        kind = message.WhichOneof("type")
        assert kind != "ref_hash"  # we never say that we kept a message, so all come whole
        if kind == "new_session":
            self._run += 1
            self.session_id = message.new_session.initialize.session_id
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "delta":
            self._apply(message)
        elif kind == "script_finished" and not self._ended_early():
            drawn = set(message.metadata.run.fragment_ids)
            self._elements = {
                path: kept
                for path, kept in self._elements.items()
                if kept[0] == self._run or (drawn and kept[1] not in drawn)
            }
        return message

    @staticmethod
    def kind_of(frame: bytes) -> str | None:
        """What kind of message a frame carries."""
        return ForwardMsg.FromString(frame).WhichOneof("type")

    def _apply(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        if delta.WhichOneof("type") == "new_element":
            self._elements[path] = (self._run, delta.fragment_id, delta.new_element)
        else:
            self._elements.pop(path, None)

    def _buttons(self) -> list[tuple[str, Any]]:
        return [(f, e.button) for _, f, e in self._elements.values() if e.WhichOneof("type") == "button"]

    @property
    def labels(self) -> list[str]:
        """The labels of all buttons on the page."""
        return [button.label for _, button in self._buttons()]

    @property
    def battle(self) -> str | None:
        """The id of the battle on the page, which the keys of its buttons carry."""
        found = {match[2] for _, button in self._buttons() if (match := _TOKEN.search(button.id))}
        assert len(found) <= 1, "buttons of two battles stand on one page"
        return found.pop() if found else None

    @property
    def texts(self) -> list[str]:
        """Everything on the page that is text."""
        kinds = {"markdown", "html", "heading"}
        shown = [(e.WhichOneof("type"), e) for _, _, e in self._elements.values()]
        return [getattr(e, kind).body for kind, e in shown if kind in kinds]

    def says(self, text: str) -> bool:
        """Whether any text on the page contains ``text``."""
        return any(text in shown for shown in self.texts)
