# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Route 53: boto3 signs and sends each once, and when it is tried again is decided here."""

from __future__ import annotations

import contextlib
import random
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_route53 import SYSTEM, refusal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import TokenBucket

try:
    import boto3
    import boto3.session
    import botocore.config
    import botocore.exceptions
    import botocore.parsers

    HAVE_BOTO3 = True
except ImportError:
    HAVE_BOTO3 = False

_CONNECT_S: t.Final = 3.0
_ATTEMPT_S: t.Final = 10.0
_SHORTEST_ATTEMPT_S: t.Final = 0.1
#: Time-outs belong to a client, and a client takes long to build. A request has the longest of these that it may.
_TIME_OUTS_S: t.Final = (_ATTEMPT_S, 5.0, 2.5, 1.2, 0.6, 0.3, _SHORTEST_ATTEMPT_S)
_FIRST_PAUSE_S: t.Final = 0.25
_LONGEST_PAUSE_S: t.Final = 8.0
_LONGEST_TEXT: t.Final = 300
_THROTTLED: t.Final = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
_BUSY: t.Final = "PriorRequestNotComplete"
_AUTH: t.Final = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class Refused(Exception):
    """An answer that is an error. `status` is that of HTTP."""

    def __init__(self, status: int, code: str, messages: Sequence[str]) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.messages = messages


class NoAnswer(Exception):
    """There was no answer. `hopeless` says that another try would end in the same way."""

    def __init__(self, problem: str, *, kind: str = "unreachable", hopeless: bool = False) -> None:
        super().__init__(problem)
        self.kind = kind
        self.hopeless = hopeless


class TooLate(Exception):
    """The time was over right before the request would have left: nothing was sent."""


class Transport(t.Protocol):
    """The one thing that tests replace."""

    def prepare(self, timeout_s: float) -> None:
        """Have at hand what a request with that time-out needs, however long that takes. Raises NoAnswer."""

    def send(self, operation: str, parameters: Mapping[str, t.Any], timeout_s: float, end: float) -> JsonObject:
        """The answer to one request, as boto3 gives it. Nothing leaves after `end`, a time of the monotonic clock.
        Raises Refused, NoAnswer and TooLate."""


class BotoTransport:
    """boto3's client. Credentials are found as boto3 finds them: a profile, the environment, the role of the machine.
    None of them is in an error."""

    def __init__(self, clock: Clock, *, aws_region: str, profile: str | None, endpoint_url: str | None) -> None:
        if not HAVE_BOTO3:
            raise ReleaseError(missing_required_lib("boto3"), kind="library", system="controller")
        try:
            self._session = boto3.session.Session(profile_name=profile, region_name=aws_region)
        except botocore.exceptions.ProfileNotFound as error:
            raise OptionError("route53.profile", f"there is no profile {profile}") from error
        self._endpoint_url = endpoint_url
        self._clock = clock
        self._clients: dict[float, t.Any] = {}
        #: After that nothing leaves.
        self._end = 0.0
        self._client(_ATTEMPT_S)

    def prepare(self, timeout_s: float) -> None:
        with _understood():
            self._client(timeout_s)
            credentials = self._session.get_credentials()
            if credentials is not None:
                # Fetches them where they are missing or about to end.
                credentials.get_frozen_credentials()

    def send(self, operation: str, parameters: Mapping[str, t.Any], timeout_s: float, end: float) -> JsonObject:
        self._end = end
        with _understood():
            answer = getattr(self._client(timeout_s), operation)(**parameters)
        answer.pop("ResponseMetadata", None)
        return t.cast("JsonObject", answer)

    def _client(self, timeout_s: float) -> t.Any:
        given_s = next((one for one in _TIME_OUTS_S if one <= timeout_s), _SHORTEST_ATTEMPT_S)
        if given_s not in self._clients:
            config = botocore.config.Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=min(_CONNECT_S, given_s),
                read_timeout=given_s,
            )
            client = self._session.client("route53", endpoint_url=self._endpoint_url, config=config)
            # Signed by then, and not sent: the credentials may have been fetched for it once more.
            client.meta.events.register("before-send.route-53", self._stop_when_late)
            self._clients[given_s] = client
        return self._clients[given_s]

    def _stop_when_late(self, **_event: t.Any) -> None:
        if self._clock.monotonic() >= self._end:
            raise TooLate


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """The one place that knows what boto3's errors mean. Raises Refused and NoAnswer."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _refused(error.response) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise NoAnswer("there are no credentials", kind="auth", hopeless=True) from error
    except botocore.exceptions.ParamValidationError as error:
        raise NoAnswer(str(error)[:_LONGEST_TEXT], kind="refused", hopeless=True) from error
    except botocore.exceptions.SSLError as error:
        raise NoAnswer("its certificate is not valid here", hopeless=True) from error
    except botocore.parsers.ResponseParserError as error:
        raise NoAnswer("the answer cannot be read", kind="broken") from error
    except (
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.TokenRetrievalError,
        botocore.exceptions.SSOError,
    ) as error:
        # Its text is that of a program of the user, which may say what it likes.
        raise NoAnswer("the credentials could not be fetched", kind="auth", hopeless=True) from error
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.HTTPClientError) as error:
        raise NoAnswer(type(error).__name__) from error


class Answered(t.NamedTuple):
    """An answer. `unsure` says that there was none to an earlier try, which may have been carried out."""

    answer: JsonObject
    unsure: bool


class RequestError(ReleaseError):
    """A request that failed. `unsure`: one of its tries may have been carried out."""

    def __init__(self, message: str, *, kind: str, retriable: bool = False, unsure: bool = False) -> None:
        super().__init__(message, kind=kind, system=SYSTEM, retriable=retriable)
        self.unsure = unsure


class Route53Api:
    """One request at a time, within the account's limit, tried again until it has an answer or its time is over."""

    def __init__(
        self, transport: Transport, bucket: TokenBucket, clock: Clock, chance: Callable[[], float] = random.random
    ) -> None:
        self._transport = transport
        self._bucket = bucket
        self._clock = clock
        #: From 0 to 1. Processes that failed together must not come back together.
        self.chance = chance

    def ask(
        self,
        operation: str,
        parameters: Mapping[str, t.Any],
        end: float,
        bucket: TokenBucket | None = None,
        part: float = 1.0,
    ) -> Answered:
        """The answer. `bucket` is what this operation has to keep beside the limit of the account, `part` how much of
        the time until `end` one try may take. Raises RequestError, and ReleaseError of kind `throttled` when the limit
        leaves no time for the first try."""
        pauses = Pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, self.chance)
        unsure = False
        failed: RequestError | None = None
        while True:
            try:
                for one in (bucket, self._bucket):
                    if one is not None:
                        one.take(end)
            except ReleaseError as error:
                raise failed or error from error
            sent = False
            try:
                # What is prepared takes time of its own, so what is left is looked at after it.
                self._transport.prepare(self._timeout_s(end, part))
                timeout_s, sent = self._timeout_s(end, part), True
                return Answered(self._transport.send(operation, parameters, timeout_s, end), unsure)
            except TooLate as late:
                over = _title(operation, "the time is over")
                raise failed or RequestError(over, kind="throttled", retriable=True) from late
            except NoAnswer as met:
                unsure = unsure or (sent and not met.hopeless)
                failed = _silence(operation, met, unsure)
            except Refused as met:
                unsure = unsure or met.status >= 500
                failed = _answer(operation, met, unsure)
                if met.code in _THROTTLED:
                    self._bucket.drain(end)
            if not failed.retriable:
                raise failed
            pause_s = pauses.next()
            if self._clock.monotonic() + pause_s >= end:
                raise failed
            self._clock.sleep(pause_s)

    def _timeout_s(self, end: float, part: float) -> float:
        """For one try from now on. Raises TooLate when there is no time left."""
        left_s = end - self._clock.monotonic()
        if left_s <= 0:
            raise TooLate
        return max(_SHORTEST_ATTEMPT_S, min(_ATTEMPT_S, part * left_s))


def _refused(response: Mapping[str, t.Any]) -> Refused:
    error = response.get("Error") or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    # An InvalidChangeBatch has one of two forms, and botocore finds no code in that of the API reference.
    found = (response.get("Messages") or {}).get("Message")
    if found:
        return Refused(status, "InvalidChangeBatch", [found] if isinstance(found, str) else list(found))
    return Refused(status, str(error.get("Code") or ""), [str(error.get("Message") or "no reason is given")])


def _silence(operation: str, met: NoAnswer, unsure: bool) -> RequestError:
    problem = _title(operation, f"no answer: {met}" if met.kind == "unreachable" else str(met))
    return RequestError(problem, kind=met.kind, retriable=not met.hopeless, unsure=unsure)


def _answer(operation: str, met: Refused, unsure: bool) -> RequestError:
    """The one place that knows what Route 53's errors mean."""
    text = "; ".join(met.messages)[:_LONGEST_TEXT]
    if met.code in _THROTTLED or met.code == _BUSY:
        problem, kind, retriable = f"{met.code}: {text}", "throttled", True
    elif met.status >= 500:
        problem, kind, retriable = f"it answered {met.status}", "unreachable", True
    elif met.code in _AUTH or met.status in (401, 403):
        # Its text repeats parts of the request, and with them of the credentials.
        problem, kind, retriable = f"the credentials may not do this ({met.code})", "auth", False
    elif met.code == "InvalidChangeBatch":
        found = refusal(met.messages)
        return RequestError(found.message, kind=found.kind, unsure=unsure)
    elif met.code.startswith("NoSuch") or met.status == 404:
        problem, kind, retriable = f"{met.code}: {text}", "not_found", False
    else:
        problem, kind, retriable = f"it answered {met.status} {met.code}: {text}", "refused", False
    if unsure and retriable:
        # Throttled now, but an earlier try had no answer: it may have been carried out.
        kind = "unreachable"
    return RequestError(_title(operation, problem), kind=kind, retriable=retriable, unsure=unsure)


def _title(operation: str, problem: str) -> str:
    return f"Route 53, {operation}: {problem}"
