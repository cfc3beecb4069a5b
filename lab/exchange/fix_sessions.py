# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FIX 4.4 sessions by QuickFIX, for asyncio: the accepting side and the initiating one.

QuickFIX has a thread of its own and calls us there. A callback does nothing but hand what came to the event loop;
everything else, sending included, happens on the loop. Sending writes the message to the store and to the socket's
queue and waits for nobody: `send` of a session that is not there stores it for its next logon.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pathlib
import re
import threading
import typing as t

from .fix_messages import Fields

# It has no types.
quickfix: t.Any = importlib.import_module("quickfix")

GATEWAY: t.Final = "PINCEX"
_LOGOUT: t.Final = "5"
_SEPARATOR: t.Final = "\x01"
_HEADER_AND_TRAILER: t.Final = frozenset((8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122))
#: A client that does not answer a Logout is disconnected then.
LOGOUT_S: t.Final = 5
_HEARTBEAT_S: t.Final = 10
#: How much of a store is looked at for what was sent last: more than one page of reports.
_TAIL: t.Final = 4 << 20
_EXEC_ID: t.Final = re.compile(rb"\x0117=([^\x01]+)\x01")

#: Sequence numbers are never reset: what was sent while a client was away would be gone.
_SETTINGS: t.Final = """[DEFAULT]
BeginString=FIX.4.4
NonStopSession=Y
StartTime=00:00:00
EndTime=00:00:00
ResetOnLogon=N
ResetOnLogout=N
ResetOnDisconnect=N
PersistMessages=Y
UseDataDictionary=N
SocketNodelay=Y
LogoutTimeout={logout_s}
FileStorePath={store}
"""
_ACCEPTOR: t.Final = """ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
"""
_INITIATOR: t.Final = """ConnectionType=initiator
SocketConnectHost={host}
SocketConnectPort={port}
HeartBtInt={heartbeat_s}
ReconnectInterval=1
"""
_SESSION: t.Final = "[SESSION]\nSenderCompID={sender}\nTargetCompID={target}\n"


class Listener(t.Protocol):
    """Is told on the event loop. `session` is the client's CompID, on both sides."""

    def on_logon(self, session: str) -> None: ...

    def on_logout(self, session: str) -> None: ...

    def on_logout_message(self, session: str, text: str) -> None:
        """The other side asks for the end, or answers ours."""

    def on_message(self, session: str, kind: str, fields: Fields, sequence: int) -> None: ...


# QuickFIX has no types.
class _Application(quickfix.Application):  # type: ignore[misc]
    """Called by QuickFIX in its thread. An exception would end that thread."""

    def __init__(self, tell: t.Callable[..., None], name: t.Callable[[t.Any], str], answers: threading.Event) -> None:
        super().__init__()
        self._tell, self._name, self._answers = tell, name, answers

    def onCreate(self, session: t.Any) -> None:
        pass

    def onLogon(self, session: t.Any) -> None:
        self._tell("on_logon", self._name(session))

    def onLogout(self, session: t.Any) -> None:
        self._tell("on_logout", self._name(session))

    def toAdmin(self, message: t.Any, session: t.Any) -> None:
        pass

    def toApp(self, message: t.Any, session: t.Any) -> None:
        pass

    def fromAdmin(self, message: t.Any, session: t.Any) -> None:
        header, fields = split(message.toString())
        if header[35] == _LOGOUT:
            self._tell("on_logout_message", self._name(session), fields.get(58, ""))
            # Answering is what QuickFIX does next in this thread.
            self._answers.wait()

    def fromApp(self, message: t.Any, session: t.Any) -> None:
        header, fields = split(message.toString())
        self._tell("on_message", self._name(session), header[35], fields, int(header[34]))


def split(text: str) -> tuple[Fields, Fields]:
    """Header and trailer, and the rest. Of a tag that comes twice the last one counts: no message here has groups."""
    header: Fields = {}
    fields: Fields = {}
    for part in text.split(_SEPARATOR):
        tag, equals, value = part.partition("=")
        if equals and tag.isdecimal():
            number = int(tag)
            (header if number in _HEADER_AND_TRAILER else fields)[number] = value
    return header, fields


class FixSessions:
    """Either the gateway's side, for all its clients, or that of one client."""

    def __init__(
        self, listener: Listener, names: t.Sequence[str], store: pathlib.Path, text: str, accepts: bool
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._store = store
        self._answers = threading.Event()
        self._answers.set()
        sides = [(GATEWAY, name) if accepts else (name, GATEWAY) for name in names]
        self._ids = {name: quickfix.SessionID("FIX.4.4", *side, "") for name, side in zip(names, sides, strict=True)}
        # QuickFIX keeps no references to these: they have to live as long as it does.
        self._settings = quickfix.SessionSettings()
        sessions = "".join(_SESSION.format(sender=sender, target=target) for sender, target in sides)
        self._settings.setFromString(_SETTINGS.format(logout_s=LOGOUT_S, store=store) + text + sessions)
        self._stores = quickfix.FileStoreFactory(self._settings)
        name_of = (
            (lambda one: one.getTargetCompID().getValue())
            if accepts
            else (lambda one: one.getSenderCompID().getValue())
        )
        self._application = _Application(self._tell, name_of, self._answers)
        make = quickfix.SocketAcceptor if accepts else quickfix.SocketInitiator
        self._engine = make(self._application, self._stores, self._settings)

    @classmethod
    def accept(cls, listener: Listener, names: t.Sequence[str], store: pathlib.Path, port: int) -> FixSessions:
        return cls(listener, names, store, _ACCEPTOR.format(port=port), accepts=True)

    @classmethod
    def connect(cls, listener: Listener, name: str, store: pathlib.Path, host: str, port: int) -> FixSessions:
        text = _INITIATOR.format(host=host, port=port, heartbeat_s=_HEARTBEAT_S)
        return cls(listener, (name,), store, text, accepts=False)

    def _tell(self, what: str, *values: t.Any) -> None:
        # The last ones come when the loop may have ended already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(getattr(self._listener, what), *values)

    def start(self) -> None:
        """Listen, or connect and try again every second. Raises RuntimeError when the port is taken."""
        try:
            self._engine.start()
        except quickfix.FIXError as error:
            raise RuntimeError(str(error)) from error

    async def stop(self) -> None:
        """Log out whoever is there still, and end the thread. Of no use afterwards."""
        self._answers.set()
        await asyncio.to_thread(self._engine.stop)
        # Now, and not when the garbage is collected, in whatever order: its end needs the stores and the application.
        del self._engine

    def send(self, session: str, kind: str, fields: Fields) -> None:
        # Read as text, a message takes a sixth of the time that it takes field by field. A separator in a value would
        # end that value.
        parts = [f"{tag}={value.replace(_SEPARATOR, ' ')}{_SEPARATOR}" for tag, value in fields.items()]
        message = quickfix.Message(f"8=FIX.4.4\x019=0\x0135={kind}\x01{''.join(parts)}10=000\x01", False)
        quickfix.Session.sendToTarget(message, self._ids[session])

    def numbers(self, session: str) -> tuple[int, int]:
        """The next numbers that we send and expect."""
        found = quickfix.Session.lookupSession(self._ids[session])
        return found.getExpectedSenderNum(), found.getExpectedTargetNum()

    def enable(self, session: str) -> None:
        """Take logons again."""
        quickfix.Session.lookupSession(self._ids[session]).logon()

    def disable(self, session: str, reason: str) -> None:
        """Send Logout within a second, and take no logon from now on."""
        quickfix.Session.lookupSession(self._ids[session]).logout(reason)

    def be_silent(self) -> None:
        """Fault logout_silent: answer no Logout any more."""
        self._answers.clear()

    def sent(self) -> set[str]:
        """ExecIDs of the reports that were stored last, of all sessions."""
        found: set[str] = set()
        for path in self._store.glob("*.body"):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                found.update(one.decode() for one in _EXEC_ID.findall(file.read()))
        return found
