"""translation.response_memory: bounded in bytes, fair between callers, forgetful."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialects.recall import Given
from pointsman.translation.response_memory import ResponseMemory, size_of


def made(name: str, size: int = 100, items: int = 1) -> Given:
    return Given(name, None, b"a" * size, tuple((f"{name}-{n}", b"{}") for n in range(items)))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_found_by_its_id_and_by_those_of_its_items() -> None:
    memory = ResponseMemory(100_000, 60)
    memory.put("a", made("r", items=2))
    assert memory.find("a", "r") == memory.find("a", "r-1") == made("r", items=2)
    assert memory.find("a", "r-2") is memory.find("b", "r") is memory.find("a", "") is None


def test_requests_go_before_answers() -> None:
    memory = ResponseMemory(40_000, 60)
    for number in range(20):
        memory.put("a", made(f"r{number}", 4_000))
    first, last = memory.find("a", "r0"), memory.find("a", "r19")
    assert first is not None
    assert first.asked is None, "its items can still be referred to"
    assert last == made("r19", 4_000)


def test_one_caller_cannot_push_out_what_another_was_given() -> None:
    memory = ResponseMemory(100_000, 60)
    memory.put("quiet", made("mine", 5_000))
    for number in range(1_000):
        memory.put("loud", made(f"r{number}", 5_000))
    assert memory.find("quiet", "mine") == made("mine", 5_000)


def test_a_request_of_megabytes_does_not_cost_all_others_their_place() -> None:
    memory = ResponseMemory(100_000, 60)
    memory.put("a", made("small"))
    memory.put("a", made("large", 90_000))
    large = memory.find("a", "large")
    assert large is not None
    assert large.asked is None
    assert memory.find("a", "small") == made("small")
    memory.put("a", Given("huge", None, b"", (("i", b"x" * 90_000),)))
    assert memory.find("a", "huge") is None


def test_what_nobody_refers_to_is_forgotten() -> None:
    clock = Clock()
    memory = ResponseMemory(100_000, 60, clock)
    memory.put("a", made("old"))
    memory.put("a", made("used"))
    clock.now = 50
    memory.find("a", "used")
    clock.now = 61
    assert memory.find("a", "old") is None
    memory.trim()
    assert memory.size == size_of(made("used"))
    clock.now = 111
    memory.trim()
    assert memory.size == 0


def test_switched_off_nothing_is_kept() -> None:
    memory = ResponseMemory(0, 60)
    memory.put("a", made("r"))
    assert (memory.size, memory.on, memory.find("a", "r")) == (0, False, None)


def test_a_server_that_repeats_its_ids_costs_no_older_answer_its_items() -> None:
    memory = ResponseMemory(100_000, 60)
    older, newer = (Given("resp_421", None, b"", ((name, b"{}"),)) for name in ("msg_1", "msg_2"))
    memory.put("a", older)
    memory.put("a", newer)
    assert memory.find("a", "msg_1") == older
    assert memory.find("a", "resp_421") == memory.find("a", "msg_2") == newer


steps = st.tuples(
    st.sampled_from("abc"), st.integers(0, 12), st.integers(0, 3_000), st.integers(0, 3), st.booleans()
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 20_000), st.lists(steps, max_size=60))
def test_whatever_is_put_its_size_is_told_and_bounded(
    limit: int, done: list[tuple[str, int, int, int, bool]]
) -> None:
    clock = Clock()
    memory = ResponseMemory(limit, 30, clock)
    names = [f"r{number}" for number in range(13)]
    for caller, number, size, items, waits in done:
        clock.now += 7.0 * waits
        memory.put(caller, made(f"r{number}", size, items))
        memory.trim()
        assert memory.size <= limit
        found = {one.id: one for name in names if (one := memory.find(caller, name)) is not None}
        assert sum(map(size_of, found.values())) <= memory.size
        for one in found.values():
            assert all(memory.find(caller, item) is not None for item, _ in one.items)
    clock.now += 1_000
    memory.trim()
    assert memory.size == 0
