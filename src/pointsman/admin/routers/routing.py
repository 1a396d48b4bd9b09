"""What is known of the newest rules and of the servers' models, as a dependency of those who explain them. Apart from
base.py, since it brings the protocols along.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..control.model_list import ModelNames
from ..control.routing_view import RoutingView


def _routing(request: Request) -> RoutingView:
    view: RoutingView = request.app.state.routing
    return view


def _names(request: Request) -> ModelNames:
    names: ModelNames = request.app.state.model_names
    return names


Routing = Annotated[RoutingView, Depends(_routing)]
Names = Annotated[ModelNames, Depends(_names)]
