"""When a file of a watched volume is complete: decided by events and a clock, without either."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncload.source.settling import FIRST_RETRY, MAX_RETRY, Settling

SETTLE = 5.0


def take_due(settling, now, versions):
    """What is handed out now, if the files have these versions."""
    due = settling.due(now, 100)
    return [path for path in due if settling.take(path, versions.get(path), now)]


def test_a_file_is_handed_out_once_it_was_quiet():
    """Each event restarts the wait, and so does each change without one."""
    settling, versions = Settling(SETTLE), {"a": (1,)}
    settling.seen("a", (1,), 0.0)
    settling.seen("a", (1,), 3.0, event=True)
    assert take_due(settling, 7.9, versions) == []
    assert take_due(settling, 8.0, {"a": (2,)}) == []
    assert take_due(settling, 12.9, {"a": (2,)}) == []
    assert take_due(settling, 13.0, {"a": (2,)}) == ["a"]
    assert (settling.waiting, settling.in_flight) == (0, 1)


def test_a_version_that_was_loaded_is_not_handed_out_again():
    """However often it is seen; the next one is, and so is the same after it was gone."""
    settling, versions = Settling(SETTLE), {"a": (1,)}
    settling.seen("a", (1,), 0.0)
    assert take_due(settling, 5.0, versions) == ["a"]
    settling.seen("a", (1,), 5.5, event=True)
    settling.loaded("a")
    settling.seen("a", (1,), 6.0, event=True)
    assert settling.waiting == 0
    settling.seen("a", (2,), 7.0)
    assert take_due(settling, 12.0, {"a": (1,)}) == [], "it is the old version again"
    assert settling.waiting == 0
    settling.gone("a")
    settling.seen("a", (1,), 20.0)
    assert take_due(settling, 25.0, versions) == ["a"]


def test_a_newer_version_waits_until_the_older_one_has_its_result():
    """One file is never in work twice."""
    settling = Settling(SETTLE)
    settling.seen("a", (1,), 0.0)
    assert take_due(settling, 5.0, {"a": (1,)}) == ["a"]
    settling.seen("a", (2,), 6.0, event=True)
    assert take_due(settling, 20.0, {"a": (2,)}) == []
    settling.loaded("a")
    assert take_due(settling, 20.0, {"a": (2,)}) == ["a"]


def test_a_failed_file_is_tried_again_later_and_later():
    """Up to an hour; a new version has no failures, and trouble of the store does not count."""
    settling, now, waits = Settling(SETTLE), 0.0, []
    settling.seen("a", (1,), now)
    for _ in range(12):
        now += SETTLE if not waits else waits[-1]
        assert take_due(settling, now - 0.1, {"a": (1,)}) == []
        assert take_due(settling, now, {"a": (1,)}) == ["a"]
        waits.append(settling.failed("a", now))
        assert settling.failing == 1
    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert waits[-1] == MAX_RETRY
    settling.seen("a", (1,), now + 1, event=True)
    assert take_due(settling, now + 10, {"a": (1,)}) == [], "an event makes it no better"
    settling.seen("a", (2,), now + 10)
    assert settling.failing == 0
    assert take_due(settling, now + 15, {"a": (2,)}) == ["a"]
    assert settling.failed("a", now, count=False) == FIRST_RETRY
    assert settling.failing == 0


def test_a_failure_gives_way_to_a_newer_version():
    """Which does not wait longer for it."""
    settling = Settling(SETTLE)
    settling.seen("a", (1,), 0.0)
    assert take_due(settling, 5.0, {"a": (1,)}) == ["a"]
    settling.seen("a", (2,), 6.0)
    assert settling.failed("a", 7.0) == SETTLE
    assert take_due(settling, 11.0, {"a": (2,)}) == ["a"]


def test_a_file_that_changed_while_it_was_read_settles_again():
    """It is looked at before it is handed out again; so is all that was in flight at a release."""
    settling = Settling(SETTLE)
    settling.seen("a", (1,), 0.0)
    assert take_due(settling, 5.0, {"a": (1,)}) == ["a"]
    settling.changed("a", 6.0)
    assert take_due(settling, 11.0, {"a": (2,)}) == []
    assert take_due(settling, 16.0, {"a": (2,)}) == ["a"]
    settling.seen("a", (3,), 17.0)
    settling.release(18.0)
    assert settling.in_flight == 0
    assert take_due(settling, 22.0, {"a": (3,)}) == ["a"]


def test_what_a_scan_did_not_find_is_forgotten():
    """Unless something was heard of it meanwhile, or the scan could not look everywhere."""
    settling = Settling(SETTLE)
    for path in "abcd":
        settling.seen(path, (1,), 0.0)
    assert sorted(take_due(settling, 5.0, dict.fromkeys("abcd", (1,)))) == list("abcd")
    for path in "abc":
        settling.loaded(path)
    settling.seen("x", (1,), 6.0)
    settling.begin_rescan(10.0)
    settling.end_rescan(complete=False)
    assert settling.waiting == 1
    settling.begin_rescan(10.0)
    settling.seen("a", (1,), 11.0)
    settling.seen("y", (1,), 11.0, event=True)
    settling.loaded("d")
    settling.end_rescan(complete=True)
    assert settling.waiting == 1, "only y"
    for path in "abcd":
        settling.seen(path, (1,), 20.0)
    assert settling.waiting == 3, "y, b and c"
    settling.end_rescan(complete=True)


def test_a_file_that_is_gone_when_it_is_due_is_forgotten():
    """Also if nothing said so, and if its entry is older than it."""
    settling = Settling(SETTLE)
    settling.seen("a", (1,), 0.0)
    settling.seen("b", (1,), 0.0)
    settling.gone("b")
    assert settling.due(5.0, 100) == ["a"]
    assert settling.take("b", (1,), 5.0) is False
    assert settling.take("a", None, 5.0) is False
    assert (settling.waiting, settling.due(50.0, 100)) == (0, [])


def test_only_so_many_are_handed_out_at_once():
    """The others come with the next call."""
    settling = Settling(SETTLE)
    for path in "abc":
        settling.seen(path, (1,), 0.0)
    assert [settling.due(5.0, 2), settling.due(5.0, 2)] == [["a", "b"], ["c"]]


class Volume(RuleBasedStateMachine):
    """Files change, with events or without, while a loader asks what is complete."""

    def __init__(self):
        super().__init__()
        self.now, self.number = 0.0, 0
        self.settling = Settling(SETTLE)
        self.files, self.changed_at = {}, {}
        self.in_flight, self.loaded = {}, []

    paths = st.sampled_from("abc")

    @rule(path=paths, heard=st.booleans())
    def write(self, path, heard):
        self.number += 1
        self.files[path], self.changed_at[path] = (self.number,), self.now
        if heard:
            self.settling.seen(path, self.files[path], self.now, event=True)

    @rule(path=paths, heard=st.booleans())
    def delete(self, path, heard):
        if self.files.pop(path, None) and heard:
            self.settling.gone(path)

    @rule(path=paths)
    def noise(self, path):
        if path in self.files:
            self.settling.seen(path, self.files[path], self.now, event=True)

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.9, 5.0, 60.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def rescan(self):
        self.settling.begin_rescan(self.now)
        for path, version in self.files.items():
            self.settling.seen(path, version, self.now)
        self.settling.end_rescan(complete=True)

    @rule()
    def load(self):
        for path in take_due(self.settling, self.now, self.files):
            assert path not in self.in_flight, "twice at once"
            version = self.files[path]
            assert self.now - self.changed_at[path] >= SETTLE - 1e-6, "not quiet"
            assert (path, version) not in self.loaded, "loaded twice"
            self.in_flight[path] = version

    @precondition(lambda self: self.in_flight)
    @rule(result=st.sampled_from(["loaded", "failed", "outage"]), data=st.data())
    def end(self, result, data):
        path = data.draw(st.sampled_from(sorted(self.in_flight)))
        version = self.in_flight.pop(path)
        if self.files.get(path) != version and data.draw(st.booleans()):
            self.settling.changed(path, self.now)
        elif result == "loaded":
            self.settling.loaded(path)
            self.loaded.append((path, version))
        else:
            self.settling.failed(path, self.now, count=result == "failed")

    @invariant()
    def counts_agree(self):
        assert self.settling.in_flight == len(self.in_flight)

    def teardown(self):
        """Once nothing changes any more, each file is loaded in its last version."""
        for path in list(self.in_flight):
            self.in_flight.pop(path)
            self.settling.failed(path, self.now)
        for _ in range(4):
            self.rescan()
            self.now += MAX_RETRY
            self.load()
            for path, version in list(self.in_flight.items()):
                del self.in_flight[path]
                self.settling.loaded(path)
                self.loaded.append((path, version))
        assert set(self.files.items()) <= set(self.loaded)
        assert self.settling.waiting == 0


TestVolume = Volume.TestCase
TestVolume.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
