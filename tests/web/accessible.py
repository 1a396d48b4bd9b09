"""axe-core over a page: what it finds at WCAG 2.2 AA, in either theme, and what does not fit a width."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = ["color-contrast", "link-in-text-block"]
"""What a theme can break: it changes colours and nothing else."""
_RUN = """async (rules) => {
  const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations"]});
  return found.violations.map((one) => [one.id, one.help, one.nodes.map((node) => [node.target.join(" "),
    node.html.slice(0, 200), node.failureSummary])]);
}"""
_WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  const inner = (part) => { for (let up = part.parentElement; up; up = up.parentElement) {
    if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return true; } return false; };
  const found = [...document.querySelectorAll("body *")].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width > 0 && box.right > wide + 1 && !inner(part);
  });
  for (const box of document.querySelectorAll("body *")) { // what is cut off without a sign
    const style = getComputedStyle(box);
    if (!["hidden", "clip"].includes(style.overflowX) || style.textOverflow === "ellipsis" || box.clientWidth < 4) continue;
    const right = box.getBoundingClientRect().right;
    const cut = [...box.querySelectorAll("*")].find((part) => {
      const at = part.getBoundingClientRect();
      for (let up = part.parentElement; up !== box; up = up.parentElement) {
        if (getComputedStyle(up).overflowX !== "visible") return false; }
      return at.width > 0 && at.right > right + 1 && !part.closest("svg svg, svg *");
    });
    if (cut) found.push(cut);
  }
  return [document.documentElement.scrollWidth - wide, found.slice(0, 5).map((one) => one.outerHTML.slice(0, 160))];
}"""
_MARK_TABBED = """() => {
  const can = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";
  const seen = (one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0
    && !one.closest("[inert]");
  const found = [...document.querySelectorAll(can)].filter(seen);
  const radios = new Set(); // one of a group is a stop
  let count = 0;
  for (const one of found) {
    if (one.type === "radio") {
      if (radios.has(one.name)) continue;
      radios.add(one.name);
    }
    one.dataset.tabbed = count++;
  }
  return count;
}"""
_TABBED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return [-1, true, ""];
  const styles = [one, one.closest("label, .box, tr, li")].filter(Boolean).map((part) => getComputedStyle(part));
  const outlined = styles.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
  let number = one.dataset.tabbed;
  if (number === undefined && one.type === "radio") {
    number = [...document.querySelectorAll("[data-tabbed]")].find((other) => other.name === one.name)?.dataset.tabbed;
  }
  return [number === undefined ? 100000 + Math.random() : Number(number), outlined, one.outerHTML.slice(0, 120)];
}"""
_MISSED = """(reached) => [...document.querySelectorAll("[data-tabbed]")]
  .filter((one) => !reached.includes(Number(one.dataset.tabbed))).map((one) => one.outerHTML.slice(0, 120))"""


@cache
def _axe() -> str:
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


def assert_accessible(page: Page, themes: tuple[Theme, ...] = THEMES) -> None:
    """Raises AssertionError with every violation and where it is. The page is left in the last theme."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    problems: list[str] = []
    rules = {"type": "tag", "values": _TAGS}
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found: list[Any] = page.evaluate(_RUN, rules)
        rules = {"type": "rule", "values": _COLOURS}  # of the next theme: the rest is the same
        for name, told, nodes in found:
            for target, html, summary in nodes:
                problems.append(f"{theme}: {name}: {told}\n  {target}\n  {html}\n  {summary}")
    assert problems == [], f"{page.url}:\n" + "\n".join(problems)


def assert_by_keyboard(page: Page) -> None:
    """Tab reaches all that can be pressed or filled in, each with an outline to be seen, and is held by nothing."""
    wanted: int = page.evaluate(_MARK_TABBED)
    page.evaluate("() => { document.activeElement?.blur(); window.getSelection()?.removeAllRanges(); }")
    reached: set[int] = set()
    all_of_them = set(range(wanted))
    dull: list[str] = []
    for _ in range(2 * wanted + 5):  # a date has a stop for each of its parts
        page.keyboard.press("Tab")
        number, outlined, html = page.evaluate(_TABBED)
        if number in reached or number < 0:  # the end: on from the first
            continue
        reached.add(number)
        if not outlined:
            dull.append(html)
        if reached >= all_of_them:
            break
    missed = page.evaluate(_MISSED, sorted(reached))
    assert missed == [], f"{page.url}: not reached by Tab: {missed}"
    assert dull == [], f"{page.url}: the focus cannot be seen on {dull}"


def assert_fits(page: Page) -> None:
    """Nothing stands over the right edge of the window or is cut off by a box, and the page cannot be scrolled sideways."""
    over, parts = page.evaluate(_WIDER)
    assert over <= 0, f"{page.url} is {over} px too wide: {parts}"
    assert parts == [], f"{page.url}: too wide, or cut off: {parts}"
