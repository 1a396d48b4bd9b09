"""The application's parts, loaded when somebody asks for them: none is forgotten, and none is asked for under another's path."""

from __future__ import annotations

import pkgutil

from starlette.routing import Route

from pointsman.admin import routers
from pointsman.admin.late import MODULES, part_of, routers_of
from pointsman.admin.web.site import ROUTERS


def test_each_module_that_answers_is_loaded_by_each_of_its_paths() -> None:
    found = {one.name: routers_of(one.name) for one in pkgutil.iter_modules(routers.__path__)}
    assert {name for name, made in found.items() if made} == {*MODULES}
    for name, made in found.items():
        for route in (one for router in made for one in router.routes):
            assert isinstance(route, Route)
            assert part_of(route.path) == name, route.path


def test_a_page_loads_the_pages() -> None:
    paths = {route.path for router in ROUTERS for route in router.routes if isinstance(route, Route)}
    assert {part_of(path) for path in paths} == {"pages"}
    assert part_of("/api/nothing") is None
    assert part_of("/api") is None
