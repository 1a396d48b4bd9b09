"""Merging what data-plane processes say."""

from __future__ import annotations

from pointsman.admin.control.process_status import STALE_SECONDS, StatusBoard, prometheus_text
from pointsman.link.messages import BackendHealth, Status, TargetHealth


def status(worker: int, pid: int, counters: dict[str, float], *backends: BackendHealth) -> Status:
    return Status(worker, pid, 0, counters, backends)


def test_counters_and_gauges_of_all_processes_are_summed() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {"a_total": 2, "open": 1}), 0.0)
    board.take(status(1, 2, {"a_total": 3, "open": 4}), 0.0)
    assert board.samples(1.0) == {"a_total": 5, "open": 5}


def test_a_restarted_process_never_makes_a_total_smaller() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {'a_total{x="1"}': 7, "b_sum": 1.5, 'b_bucket{le="1"}': 3, "open": 9}), 0.0)
    board.take(status(0, 2, {'a_total{x="1"}': 1, "open": 2}), 1.0)
    assert board.samples(1.0) == {'a_total{x="1"}': 8, "b_sum": 1.5, 'b_bucket{le="1"}': 3, "open": 2}
    board.take(status(0, 2, {'a_total{x="1"}': 2, "open": 0}), 2.0)
    assert board.samples(2.0)['a_total{x="1"}'] == 9


def test_a_process_that_is_no_longer_heard_keeps_its_totals_only() -> None:
    board = StatusBoard()
    board.take(status(0, 1, {"a_total": 7, "open": 9}, BackendHealth("openai", 1)), 0.0)
    later = STALE_SECONDS + 1
    assert board.samples(later) == {"a_total": 7}
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


def test_the_text_names_each_family_once_with_its_type_and_keeps_buckets_in_order() -> None:
    samples = [
        ('t_seconds_bucket{le="0.5"}', 1.0),
        ('t_seconds_bucket{le="10"}', 2.0),
        ('t_seconds_bucket{le="+Inf"}', 2.0),
        ("t_seconds_sum", 3.25),
        ("t_seconds_count", 2.0),
        ('req_total{status="2xx"}', 5.0),
        ('req_total{status="4xx"}', 1e16),
        ("open", 0.0),
    ]
    assert prometheus_text(samples) == (
        "# TYPE open gauge\nopen 0\n"
        '# TYPE req_total counter\nreq_total{status="2xx"} 5\nreq_total{status="4xx"} 1e+16\n'
        '# TYPE t_seconds histogram\nt_seconds_bucket{le="0.5"} 1\nt_seconds_bucket{le="10"} 2\n'
        't_seconds_bucket{le="+Inf"} 2\nt_seconds_sum 3.25\nt_seconds_count 2\n'
    )
    assert prometheus_text([]) == ""


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
