# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write and its wait under the lock of a release: a whole task over a provider in memory. The lease lasts 6 s, is
renewed every 2 s, and lets nothing be sent in its last 2 s."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from dns_world import EU, NAME, US, DnsWorld, good

OUT: dict[str, t.Any] = {"state": "evacuated", "regions": [US]}


def trouble(
    kind: str = "unreachable", *, retriable: bool = True, unsure: bool | None = None, system: str = "memory"
) -> ReleaseError:
    error = ReleaseError("memory does not answer", kind=kind, system=system, retriable=retriable)
    error.unsure = unsure
    return error


def fails(world: DnsWorld, verb: str, times: int, make: t.Callable[[], BaseException]) -> None:
    """So often `make` makes the error of what the provider is asked for."""
    left = [make] * times

    def fault(asked: str) -> None:
        if asked == verb and left:
            raise left.pop()()

    world.dns.faults.append(fault)


# -- the write


def test_each_try_is_under_the_lease_of_that_moment(world: DnsWorld) -> None:
    """Each try takes longer than the lease lasts, so none may be sent under the lease of the one before."""
    release = world.fleet_release()
    seen: list[tuple[float, str]] = []

    def slow() -> ReleaseError:
        seen.append((world.clock.monotonic(), world.renewed()))
        world.clock.sleep(10.0)
        return trouble(unsure=False)

    fails(world, "write", 3, slow)
    done = good(world.weight(**OUT, release=release))
    assert (done["changed"], world.dns.weights) == (True, {US: 0, EU: 50})
    assert all(2.0 <= fence - at <= 4.0 for (at, _lease), fence in zip(seen, world.dns.fences, strict=False))
    assert len({lease for _at, lease in seen}) == 3
    assert (world.dns.writes(), len(world.dns.fences)) == (4, 4)
    [entry] = world.journaled()
    assert entry.done


def test_without_a_release_there_is_one_try_until_the_end_of_the_task(world: DnsWorld) -> None:
    fails(world, "write", 1, lambda: trouble(unsure=False))
    end = world.clock.monotonic() + 300.0
    done = world.weight(**OUT)
    assert (done["error"]["kind"], done["changed"], world.dns.fences) == ("unreachable", False, [end])
    assert world.clock.slept == []


def test_a_lock_that_somebody_took_meanwhile_is_seen_before_the_next_try(world: DnsWorld) -> None:
    release = world.fleet_release()

    def taken() -> ReleaseError:
        world.someone_else()
        return trouble(unsure=False)

    fails(world, "write", 1, taken)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("lock_lost", False, 1)
    assert world.dns.weights == {US: 50, EU: 50}
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None)


def test_a_lock_that_is_lost_after_a_lost_answer_says_both(world: DnsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    release = world.fleet_release()
    fails(world, "write", 1, trouble)
    # After the look at what is there, and before the next try.
    monkeypatch.setattr(world.clock, "sleep", lambda _seconds: world.someone_else())
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("lock_lost", True, 1)
    assert done["warnings"] == [f"{NAME} A: a try before had no answer and may have been carried out; look at the set"]
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None)


@pytest.mark.parametrize(("kind", "is_undone"), [("lock_lost", False), ("undone", True)])
def test_what_ends_the_tries_while_the_set_is_looked_at_says_so(world: DnsWorld, kind: str, is_undone: bool) -> None:
    release = world.fleet_release()

    def ended() -> ReleaseError:
        world.undone(release) if is_undone else world.someone_else()
        return trouble()

    fails(world, "write", 1, ended)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == (kind, True, 1)
    assert done["warnings"] == [f"{NAME} A: a try before had no answer and may have been carried out; look at the set"]
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None)


def test_a_lock_that_is_lost_after_the_intent_lets_nothing_be_sent(world: DnsWorld) -> None:
    release = world.fleet_release()
    asked: list[str] = []

    def at_the_intent(request: t.Any) -> None:
        if request.method == "PATCH" and request.path.endswith("pincex-release-journal") and not asked:
            asked.append(request.path)
            world.someone_else()

    world.fleet_server.after.append(at_the_intent)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("lock_lost", False, 0)


def test_a_decision_to_undo_ends_the_tries_and_the_entry(world: DnsWorld) -> None:
    release = world.fleet_release()

    def undo() -> ReleaseError:
        world.undone(release)
        return trouble(unsure=False)

    fails(world, "write", 1, undo)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("undone", False, 1)
    [entry] = world.journaled()
    assert entry.failed == f"undone by {EU}: the gate failed"


def test_the_tries_end_with_the_task_and_are_known_to_have_failed(world: DnsWorld) -> None:
    release = world.fleet_release()

    def slow() -> ReleaseError:
        world.clock.sleep(4.0)
        return trouble(unsure=False)

    fails(world, "write", 100, slow)
    done = world.weight(**OUT, release=release, deadline_s=30.0)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("unreachable", False, 6)
    assert world.clock.elapsed <= 30.0
    [entry] = world.journaled()
    assert entry.failed == "memory does not answer"


def test_what_somebody_wrote_over_is_never_sent_again(world: DnsWorld) -> None:
    release = world.fleet_release()

    def overwritten() -> ReleaseError:
        world.dns.put({US: 0, EU: 7})
        return trouble("read_back", unsure=True)

    fails(world, "write", 1, overwritten)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("read_back", True, 1)
    [entry] = world.journaled()
    # What we wrote and nobody has changed since goes back.
    assert (entry.done, entry.failed) == (False, None)
    good(world.weight(state="restored", release=release))
    assert world.dns.weights == {US: 50, EU: 7}


def test_a_try_that_nobody_knows_the_end_of_is_looked_for_and_sent_again(world: DnsWorld) -> None:
    release = world.fleet_release()
    fails(world, "write", 2, trouble)
    done = good(world.weight(**OUT, release=release))
    assert (done["changed"], done["change_id"], world.dns.writes()) == (True, "C2", 3)
    [entry] = world.journaled()
    assert entry.done


def test_after_such_a_try_no_refusal_says_that_nothing_was_written(world: DnsWorld) -> None:
    """It comes late, and somebody else has written by then."""
    release = world.fleet_release()

    def late() -> ReleaseError:
        world.dns.put({US: 0, EU: 60})
        return trouble()

    fails(world, "write", 1, late)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("unreachable", True, 2)
    assert "a try before had no answer and may have been carried out" in done["msg"]
    assert "Nothing was written" not in done["msg"]
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None)


def test_an_error_that_is_sure_is_not_looked_for(world: DnsWorld) -> None:
    """Its kind alone would leave it open."""
    release = world.fleet_release()
    fails(world, "write", 1, lambda: trouble(retriable=False, unsure=False))
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], world.dns.calls[-1]) == ("unreachable", False, "write")
    [entry] = world.journaled()
    assert entry.failed == "memory does not answer"


# -- the wait


def slowly(world: DnsWorld, slices: int) -> None:
    """The change is everywhere after so many slices of waiting."""
    left = list(range(slices))

    def fault(verb: str) -> None:
        if verb == "wait" and left:
            left.pop()
            _change, end = world.dns.waited[-1]
            world.clock.elapsed = max(world.clock.elapsed, end - 1000.0)
            raise trouble("timeout")

    world.dns.faults.append(fault)


def test_a_wait_goes_in_slices_with_the_lock_renewed_between(world: DnsWorld) -> None:
    release = world.fleet_release()
    leases: list[str] = []
    world.dns.faults.append(lambda verb: leases.append(world.renewed()) if verb == "wait" else None)
    slowly(world, 3)
    done = good(world.weight(**OUT, release=release))
    # 3 slices of 6 s and a second after each: it is everywhere after 21 s, and the TTL of 30 s counts from then.
    assert (world.clock.elapsed, done["safe_after"]) == (21.0, "2027-01-15T08:00:56Z")
    assert [end - 1000.0 for _change, end in world.dns.waited] == [6.0, 13.0, 20.0, 27.0]
    assert len(set(leases)) == 4


def test_a_slice_is_as_long_as_the_lock_allows(world: DnsWorld) -> None:
    release = world.fleet_release(lease_s=60.0, renew_s=20.0)
    good(world.weight(**OUT, release=release))
    assert [end - 1000.0 for _change, end in world.dns.waited] == [20.0]


def test_a_wait_ends_when_somebody_took_the_lock(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.faults.append(lambda verb: world.someone_else() if verb == "wait" else None)
    slowly(world, 9)
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], len(world.dns.waited)) == ("lock_lost", True, 1)


def test_a_wait_ends_with_the_task(world: DnsWorld) -> None:
    release = world.fleet_release()
    slowly(world, 99)
    done = world.weight(**OUT, release=release, deadline_s=20.0)
    assert (done["error"]["kind"], done["error"]["retriable"], done["changed"]) == ("timeout", True, True)
    assert done["msg"].startswith(f"{NAME} A: waited 20 s of the 20 s (deadline_s) of the task: ")
    assert world.clock.elapsed == 20.0


def test_what_will_not_pass_ends_a_wait(world: DnsWorld) -> None:
    release = world.fleet_release()
    fails(world, "wait", 1, lambda: trouble("auth", retriable=False))
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], len(world.dns.waited)) == ("auth", 1)


def test_without_a_release_one_wait_has_all_of_the_time(world: DnsWorld) -> None:
    fails(world, "wait", 1, lambda: trouble("throttled"))
    done = world.weight(**OUT)
    assert (done["error"]["kind"], done["changed"]) == ("throttled", True)
    assert [end - 1000.0 for _change, end in world.dns.waited] == [300.0]


# -- the wait of a task that was killed


def killed(world: DnsWorld, **given: t.Any) -> None:
    """A task that dies while it waits."""
    fails(world, "wait", 1, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        world.weight(**given)


@pytest.mark.parametrize("kind", ["deploy", "dns", "recover"])
def test_the_next_task_waits_for_the_change_of_the_one_that_was_killed(world: DnsWorld, kind: str) -> None:
    release = world.fleet_release()
    killed(world, **OUT, release=release)
    [entry] = world.journaled()
    assert entry.done
    assert entry.changes[0].fields["written.change"] == {"before": None, "after": "C2"}
    slowly(world, 2)
    again = good(world.weight(**OUT, release=dataclasses.replace(release, kind=kind), step="again"))
    assert (again["changed"], world.dns.writes()) == (False, 1)
    assert [change for change, _end in world.dns.waited] == 4 * ["C2"]
    assert again["safe_after"] == "2027-01-15T08:00:49Z"


def test_so_does_a_way_back(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(**OUT, release=release))
    killed(world, state="restored", release=release)
    good(world.weight(state="restored", release=release))
    assert [change for change, _end in world.dns.waited] == ["C2", "C3", "C3"]


def test_another_set_than_the_one_that_was_written_is_not_waited_for(world: DnsWorld) -> None:
    release = world.fleet_release()
    killed(world, **OUT, release=release)
    world.dns.put({US: 0, EU: 60})
    done = good(world.weight(**OUT, release=release))
    assert (done["changed"], len(world.dns.waited)) == (False, 1)


def test_a_change_that_the_provider_has_forgotten_is_a_warning(world: DnsWorld) -> None:
    release = world.fleet_release()
    killed(world, **OUT, release=release)
    fails(world, "wait", 1, lambda: trouble("not_found", retriable=False))
    done = good(world.weight(**OUT, release=release))
    assert done["warnings"] == [
        f"{NAME} A: nobody knows whether every server of the authority has it: memory does not answer"
    ]
    assert done["safe_after"] == "2027-01-15T08:00:35Z"


def test_a_lost_answer_leaves_a_change_to_wait_for_as_well(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.lose = True
    good(world.weight(**OUT, release=release))
    good(world.weight(**OUT, release=release))
    assert [change for change, _end in world.dns.waited] == ["C2", "C2"]


def test_a_lost_answer_leaves_none_when_the_time_is_over(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.lose = True
    world.dns.faults.append(lambda verb: world.clock.sleep(9.5) if verb == "write" else None)
    good(world.weight(**OUT, release=release, deadline_s=10.0))
    world.dns.faults.clear()
    good(world.weight(**OUT, release=release))
    assert (world.dns.writes(), world.dns.waited) == (1, [])


def test_a_provider_that_is_everywhere_at_once_leaves_none_either(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.waits = False
    good(world.weight(**OUT, release=release))
    good(world.weight(**OUT, release=release))
    [entry] = world.journaled()
    assert (world.dns.waited, "written.change" in entry.changes[0].fields) == ([], False)


def test_without_a_release_nobody_remembers_the_change(world: DnsWorld) -> None:
    killed(world, **OUT)
    done = good(world.weight(**OUT))
    assert (done["changed"], done["safe_after"], len(world.dns.waited)) == (False, None, 1)
