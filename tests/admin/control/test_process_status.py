"""Merging what data-plane processes say."""

from __future__ import annotations

from pointsman.admin.control.process_status import STALE_SECONDS, StatusBoard
from pointsman.link.messages import BackendHealth, TargetHealth, WorkerStatus


def status(worker: int, pid: int, counters: dict[str, float], *backends: BackendHealth) -> WorkerStatus:
    return WorkerStatus(worker, pid, 0, counters, backends)


COUNTER, OTHER = 'pointsman_requests_total{x="1"}', "pointsman_usage_dropped_total"
GAUGE = "pointsman_inflight"


def test_counters_and_gauges_of_all_processes_are_summed() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {COUNTER: 2, GAUGE: 1}), 0.0)
    board.take(status(1, 2, {COUNTER: 3, GAUGE: 4}), 0.0)
    assert board.samples(1.0) == {COUNTER: 5, GAUGE: 5}


def test_a_restarted_process_never_makes_a_total_smaller() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {COUNTER: 7, OTHER: 1.5, GAUGE: 9}), 0.0)
    board.take(status(0, 2, {COUNTER: 1, GAUGE: 2}), 1.0)
    assert board.samples(1.0) == {COUNTER: 8, OTHER: 1.5, GAUGE: 2}
    board.take(status(0, 2, {COUNTER: 2, GAUGE: 0}), 2.0)
    assert board.samples(2.0)[COUNTER] == 9


def test_a_process_that_is_no_longer_heard_keeps_its_totals_only() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {COUNTER: 7, GAUGE: 9}, BackendHealth("openai", 1)), 0.0)
    later = STALE_SECONDS + 1
    assert board.samples(later) == {COUNTER: 7}
    assert board.live(later) == []
    assert board.health(later) == {}


def test_health_is_the_newest_of_each_and_the_sum_in_flight() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {}, BackendHealth("openai", 2, 10.0, 30.0, "timeout")), 0.0)
    board.take(status(1, 2, {}, BackendHealth("openai", 1, 20.0, 25.0, "connect")), 0.0)
    board.take(status(2, 3, {}, BackendHealth("openai", 0)), 0.0)
    assert board.health(0.0) == {"openai": BackendHealth("openai", 3, 20.0, 30.0, "timeout")}


def test_what_one_process_shuts_out_is_shut_out_and_queues_add_up() -> None:
    board = StatusBoard()
    closed, opened = TargetHealth("m", "closed", 1), TargetHealth("m", "open", 5, until=50.0)
    busy = TargetHealth("n", "closed", 0, throttled_until=9.0)
    board.take(status(0, 1, {}, BackendHealth("a", queued=2, targets=(closed, busy))), 0.0)
    board.take(
        status(1, 2, {}, BackendHealth("a", queued=3, down=True, benched="no", targets=(opened,))), 0.0
    )
    found = board.health(0.0)["a"]
    assert (found.queued, found.down, found.benched) == (5, True, "no")
    assert {target.model: target for target in found.targets} == {"m": opened, "n": busy}


def test_switches_are_not_added_up() -> None:
    board = StatusBoard()
    switch = 'pointsman_breaker_open{backend="a",model="m"}'
    for worker in range(3):
        board.take(status(worker, worker, {switch: 1.0, 'pointsman_queued{backend="a"}': 2.0}), 0.0)
    assert board.samples(0.0) == {switch: 1.0, 'pointsman_queued{backend="a"}': 6.0}


def test_of_one_model_the_worst_word_of_each_kind_counts() -> None:
    board = StatusBoard()
    for worker, target in enumerate(
        (
            TargetHealth("m", "open", 5, until=50.0),
            TargetHealth("m", "probing", 7, until=40.0),
            TargetHealth("m", "closed", 0, throttled_until=90.0),
        )
    ):
        board.take(status(worker, worker, {}, BackendHealth("a", targets=(target,))), 0.0)
    assert board.health(0.0)["a"].targets == (TargetHealth("m", "open", 7, until=50.0, throttled_until=90.0),)


def test_a_switch_of_a_process_that_is_no_longer_heard_is_off() -> None:
    board = StatusBoard()
    switches = {f'pointsman_{name}{{backend="a"}}': 1.0 for name in ("backend_down", "key_benched")}
    board.take(status(0, 1, switches), 0.0)
    board.take(status(1, 2, dict.fromkeys(switches, 0.0)), 0.0)
    assert board.samples(0.0) == switches
    assert board.samples(STALE_SECONDS + 1) == {}


def test_histograms_are_summed_and_outlive_their_process() -> None:
    board = StatusBoard()
    for worker, pid in ((0, 1), (1, 2), (0, 3)):
        board.take(WorkerStatus(worker, pid, 0, {}, spreads={"h": [1.0, float(pid), 0.5]}), 0.0)
    assert board.spreads() == {"h": [3.0, 6.0, 1.5]}
    board.take(WorkerStatus(1, 2, 0, {}, spreads={"h": [4.0, 2.0, 1.0]}), STALE_SECONDS + 1)
    assert board.spreads() == {"h": [6.0, 6.0, 2.0]}, (
        "the newest word of each process, those no longer heard too"
    )
