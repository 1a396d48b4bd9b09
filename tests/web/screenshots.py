"""`python -m tests.web.screenshots`: every page at three widths in both themes, into docs/images.

What is shown is a gateway with the traffic of scene.py. Names say page, width and theme, so that a new picture takes the
place of the old one. Looked at by people; no test compares them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.admin.web.menu import MENU
from tests.e2e.gateway import Gateway

from . import chrome
from .accessible import THEMES, Theme, assert_accessible, assert_fits
from .scene import Scene
from .small_png import small
from .windows import Windows

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = ((1440, 900), (768, 1024), (375, 812))
MOST_BYTES = 3_000_000
ALONE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""A network namespace where one can be had: not even a mistake here asks a name server or a provider."""
INSIDE = "POINTSMAN_PICTURES_APART"


def pages(gateway: Gateway) -> dict[str, str]:
    """A picture's name -> the path of its page."""
    named = {entry.title.lower().replace(" ", "-"): entry.path for entry in MENU}
    (key,) = (one for one in gateway.api("GET", "/api/keys") if one["name"] == "laptop")
    return {**named, "client-key": f"/ui/keys/{key['id']}", "sign-in": "/ui/sign-in"}


def look(page: Page, path: str) -> None:
    """Opens it, and waits for what is written later: charts, the word of the live stream."""
    page.goto(path)
    page.wait_for_load_state("load")
    if path == "/ui/requests":
        page.locator("[data-row]", has_text="rescued").last.locator("a").first.click()
    if path == "/ui/playground":
        page.get_by_label("What you ask").fill("What is a turnout?")
        page.get_by_label("Model of column 1").fill("fast")
        page.get_by_label("Model of column 2").fill("claude-sonnet-4-5")
        page.get_by_role("button", name="Ask").click()
        page.locator("[data-state]", has_text="Done").nth(1).wait_for()
        page.mouse.wheel(0, 10_000 if (page.viewport_size or {})["width"] < 1000 else 0)
    page.wait_for_timeout(700)


def taken(scene: Scene, windows: Windows, wanted: str) -> list[tuple[Path, bytes]]:
    """Pictures as the browser makes them, with what is wrong in each said."""
    found: list[tuple[Path, bytes]] = []
    for name, path in pages(scene.gateway).items():
        if wanted not in name:
            continue
        running = scene.running("laptop", "fast")
        for width, height in SIZES:
            for theme in THEMES:
                found.append(
                    (
                        IMAGES / f"{name}-{width}-{theme}.png",
                        picture(scene, windows, path, width, height, theme),
                    )
                )
        running.set()
    return found


def picture(scene: Scene, windows: Windows, path: str, width: int, height: int, theme: Theme) -> bytes:
    page = windows.open(
        scene.gateway, theme=theme, width=width, height=height, signed_in=path != "/ui/sign-in"
    )
    look(page, path)
    shot = page.screenshot()
    try:
        assert_fits(page)
        assert_accessible(page, (theme,))
        windows.verdict()
    except AssertionError as error:
        print(f"{path} at {width}, {theme}: {error}", file=sys.stderr)
    windows.close()
    return shot


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.web.screenshots", description=__doc__)
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    args = parser.parse_args(arguments)
    if (lack := chrome.missing()) is not None:
        print(lack, file=sys.stderr)
        return 1
    if (
        INSIDE not in os.environ
        and not subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode
    ):
        again = [*ALONE, sys.executable, "-m", "tests.web.screenshots", *arguments]
        return subprocess.run(again, env={**os.environ, INSIDE: "1"}, check=False).returncode
    folder = Path(tempfile.gettempdir(), "pictures")  # a page shows it: by the same name each time
    folder.mkdir()
    try:
        with Scene(folder / "data") as scene, chrome.launched() as browser:
            shots = taken(scene, Windows(browser), args.only)
    finally:
        shutil.rmtree(folder)
    IMAGES.mkdir(exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for (path, _), png in zip(shots, pool.map(small, [shot for _, shot in shots]), strict=True):
            path.write_bytes(png)
            print(f"{path.name}: {len(png) / 1000:.1f} KB")
    whole = sum(path.stat().st_size for path in IMAGES.iterdir())
    print(f"{whole / 1000:.0f} KB in all")
    return 0 if whole < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
