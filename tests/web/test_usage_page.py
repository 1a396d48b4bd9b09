"""Usage: its sums are those of `pointsman usage`, its days those of the zone, its chart reads aloud, its CSV begins no formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pointsman.admin.web.usage_range import range_of
from pointsman.admin.web.words import share, size
from pointsman.errors import PointsmanError
from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_fits
from .strange import STRANGE, alien_tags, fill, strange_records
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

BERLIN = "Europe/Berlin"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has strange records."""
    folder = tmp_path_factory.mktemp("usage") / "data"
    fill(folder, strange_records())
    with Gateway(folder) as running:
        yield running


@pytest.fixture(scope="module")
def guest(used: Gateway) -> Iterator[Visitor]:
    made = Visitor(used.url, used.admin_token)
    yield made
    made.close()


def since_of(days: int) -> str:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=days - 1)).isoformat().replace("+00:00", "Z")


def table_of(page: str) -> list[list[str]]:
    """Cells of the table of sums, as text."""
    body = page.partition('class="rows sums"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in rows
    ]  # fmt: skip


def from_cache(row: dict[str, Any]) -> str:
    cached, given = row["cached_tokens"], row["input_tokens"]
    return share(cached, given) if cached is not None and given else "—"


@pytest.mark.parametrize("by", ["model", "backend", "client", "key", "mapping", "day", "session"])
def test_sums_are_those_of_the_command_line(used: Gateway, guest: Visitor, by: str) -> None:
    page = guest.text(f"/ui/usage?by={by}&range=7d&zone=UTC")
    rows = used.api("GET", f"/api/usage/by/{by}?since={since_of(7)}&zone=UTC")
    totals = used.api("GET", f"/api/usage/totals?since={since_of(7)}")
    table = table_of(page)[1:]
    found, all_of_it = table[:-1], table[-1]
    assert len(found) == len(rows)
    assert sorted(row[1:3] for row in found) == sorted(
        [f"{row['requests']:,}", f"{row['failed'] - row['aborted']:,}"] for row in rows
    )
    assert sorted(row[4] for row in found) == sorted(map(from_cache, rows))
    assert all_of_it[4] == from_cache(totals)
    assert all_of_it[1] == f"{totals['requests']:,}"
    saved = csv.DictReader(io.StringIO(guest.text(f"/ui/usage.csv?by={by}&range=7d&zone=UTC")))
    told = [[float(one[name] or 0) for name in ("requests", "input_tokens", "cost")] for one in saved]
    assert told == [[row[name] or 0 for name in ("requests", "input_tokens", "cost")] for row in rows]


def test_what_left_is_what_the_command_line_says(used: Gateway, guest: Visitor) -> None:
    page = guest.text("/ui/usage?range=7d&zone=UTC")
    section = page.partition('aria-labelledby="u-l"')[2].partition("</section>")[0]
    rows = used.api("GET", f"/api/usage/left-machine?since={since_of(7)}&zone=UTC")
    assert len({row["day"] for row in rows}) == 2
    assert alien_tags(section) == []
    (_, *found, all_of_it) = table_of(section)
    expected = [
        (row["backend"], row["model"], f"{row['attempts']:,}", size(row["sent_bytes"])) for row in rows
    ]
    assert sorted(tuple(row[1:5]) for row in found) == sorted(
        (backend.strip(), model.strip(), *more) for backend, model, *more in expected
    )
    days = [one[0][:15] for one in found]
    newest, oldest = (date.fromisoformat(rows[place]["day"]) for place in (-1, 0))
    assert days == sorted(days, key=lambda day: day.startswith(f"{newest:%a} {newest.day} "), reverse=True)
    assert days[-1] == f"{oldest:%a} {oldest.day} {oldest:%b %Y}"[:15]
    assert all_of_it[3:5] == [
        f"{sum(row['attempts'] for row in rows):,}", size(sum(row["sent_bytes"] or 0 for row in rows))
    ]  # fmt: skip
    saved = list(
        csv.DictReader(io.StringIO(guest.text("/ui/usage/left-machine.csv?range=7d&zone=UTC"), newline=""))
    )
    assert [(row["day"], row["sent_bytes"]) for row in saved] == [
        (row["day"], "" if row["sent_bytes"] is None else str(row["sent_bytes"])) for row in rows
    ]
    assert not [row for row in saved if row["backend"].startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_month_in_which_nothing_left_says_so(tmp_path: Path) -> None:
    stayed = [one for one in strange_records() if (one.target or "").startswith("local/")]
    fill(tmp_path / "data", stayed)
    with Gateway(tmp_path / "data") as running, closing(Visitor(running.url, running.admin_token)) as visitor:
        assert "Nothing left this machine in 30 days." in visitor.text("/ui/usage")
        assert "nothing today" in visitor.text("/ui")


def test_a_chart_and_its_table_add_up_to_the_same(guest: Visitor) -> None:
    page = guest.text("/ui/usage?by=model&range=7d&zone=UTC&show=requests")
    cells = re.findall(r'<td data-value="([^"]*)"', page)
    assert sum(float(one) for one in cells if one) == float(table_of(page)[-1][1].replace(",", ""))


@pytest.mark.parametrize("by", ["model", "backend", "client", "key", "session", "day"])
def test_strangers_texts_are_text_in_every_column(guest: Visitor, by: str) -> None:
    page = guest.text(f"/ui/usage?by={by}&range=7d")
    assert alien_tags(page) == []
    if by in ("model", "client", "session"):
        assert STRANGE[0] in unescape(page)


@pytest.mark.parametrize("by", ["model", "backend", "client", "session"])
def test_no_cell_of_the_csv_begins_a_formula(guest: Visitor, by: str) -> None:
    answer = guest.get(f"/ui/usage.csv?by={by}&range=7d")
    assert (answer.header("content-type") or "").startswith("text/csv")
    assert f"usage-by-{by}-" in (answer.header("content-disposition") or "")
    rows = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
    assert len(rows) > 3
    assert not [row[0] for row in rows[1:] if row[0].startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_row_leads_to_its_own_requests_and_no_others(used: Gateway, guest: Visitor) -> None:
    page = guest.text("/ui/usage?by=model&range=7d&zone=UTC").partition('aria-labelledby="u-l"')[0]
    links = [unescape(one) for one in re.findall(r'<th scope="row"[^>]*>.*?<a href="([^"]+)"', page, re.S)]
    asked = [parse_qs(urlsplit(one).query) for one in links if urlsplit(one).path == "/ui/requests"]
    assert {text for query in asked for text in query["model"]} == {text for text in STRANGE if text.strip()}
    assert {query["since"][0] for query in asked} == {since_of(7)}


@pytest.mark.parametrize("by", ["model", "backend", "client", "session"])
def test_behind_each_row_are_as_many_requests_as_it_says(used: Gateway, guest: Visitor, by: str) -> None:
    page = guest.text(f"/ui/usage?by={by}&range=7d&zone=UTC")
    rows = re.findall(r'<tr data-row><th scope="row".*?</tr>', page, re.S)
    checked = 0
    for row in rows:
        link = re.search(r'<a href="([^"]+)"', row)
        if link is not None:
            address = unescape(link[1])
            assert guest.get(address).status == 200
            totals = used.api("GET", f"/api/usage/totals?{urlsplit(address).query}")
            number = re.search(r'<td class="r">([\d,]+)</td>', row)
            assert number is not None
            assert number[1] == f"{totals['requests']:,}"
            checked += 1
    assert checked > 2


@pytest.mark.parametrize(
    ("query", "said"),
    [("by=moon", "model"), ("zone=Mars", "no time zone"), ("range=1y", "range is one of"), ("from=2026-13-01", "date"),
     ("from=2026-12-02&to=2026-12-01", "after the last"), ("from=1990-01-01&to=2026-01-01", "at most")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said_on_a_page(guest: Visitor, query: str, said: str) -> None:
    answer = guest.get(f"/ui/usage?{query}")
    assert answer.status == 422
    assert (answer.header("content-type") or "").startswith("text/html")
    assert said in unescape(answer.body.decode())


def test_days_are_the_zones_and_one_of_them_has_25_hours() -> None:
    within = range_of("", date(2026, 10, 24), date(2026, 10, 26), BERLIN)
    assert [(slot.until - slot.since) / 3600 for slot in within.slots] == [24, 25, 24]
    assert [slot.short for slot in within.slots] == ["24 Oct", "25 Oct", "26 Oct"]
    assert all(a.until == b.since for a, b in zip(within.slots, within.slots[1:], strict=False))
    hours = range_of("", date(2026, 10, 25), None, BERLIN)
    assert (len(hours.slots), hours.per) == (25, "hour")
    assert len(range_of("365d", None, None, BERLIN).slots) <= 54
    with pytest.raises(PointsmanError):
        range_of("7d", None, None, "Europe/Atlantis")


def test_a_day_of_25_hours_is_told(guest: Visitor) -> None:
    page = guest.text(f"/ui/usage?by=day&from=2026-10-20&to=2026-10-28&zone={BERLIN}")
    assert "No requests from 20 Oct 2026 to 28 Oct 2026" in page
    full = guest.text(f"/ui/usage?range=90d&zone={BERLIN}")
    assert "Sun 25 Oct 2026 has 25 hours" in full or date.today() > date(2027, 1, 20)


def test_the_chart_reads_its_steps_aloud_zooms_and_goes_before_it_is_swapped(
    used: Gateway, windows: Windows
) -> None:
    page = windows.open(used)
    page.goto("/ui/usage?range=7d&by=model&show=requests")
    place = page.locator("[data-plot]")
    place.locator("canvas").wait_for()
    place.focus()
    page.keyboard.press("End")
    page.locator(".plot-say").filter(has_text="others").wait_for()
    last = page.locator("#u-data tbody tr").last.locator("th").inner_text()
    assert page.locator(".plot-say").inner_text().startswith(last)
    page.keyboard.press("ArrowLeft")
    before = page.locator("#u-data tbody tr").nth(-2).locator("th")
    page.locator(".plot-say").filter(has_text=before.text_content() or "?").wait_for()
    box = place.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40, steps=4)
    page.mouse.up()
    only = page.locator(".plot-zoom a")
    only.wait_for()
    assert "from=" in (only.get_attribute("href") or "")
    page.get_by_role("button", name="All of it").click()
    only.wait_for(state="hidden")
    page.keyboard.press("End")
    page.keyboard.press("+")
    only.wait_for()
    few = only.inner_text()
    page.keyboard.press("+")
    only.filter(has_not_text=few).wait_for()
    assert page.locator(".plot-say").inner_text().startswith(last)
    page.keyboard.press("?")
    assert "Zoom it" in page.locator("dialog.keys").inner_text()
    page.keyboard.press("Escape")
    place.focus()
    for _ in range(3):
        page.keyboard.press("-")
    only.wait_for(state="hidden")
    page.get_by_role("link", name="Tokens", exact=True).click()
    page.get_by_role("heading", name="Tokens by day").wait_for()
    place.locator("canvas").wait_for()
    assert page.locator("canvas").count() == 1
    assert page.locator(".plot-say").count() == 1
    assert "show=tokens" in page.url


def test_usage_can_be_used_by_everybody_and_fits_a_phone(used: Gateway, windows: Windows) -> None:
    page = windows.open(used, width=375)
    page.goto("/ui/usage?range=7d&by=session")
    page.locator("canvas").wait_for()
    assert_fits(page)
    assert_accessible(page)
