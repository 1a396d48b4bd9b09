"""`/api/sign-in`: how the command line opens the pages signed in, and signs everybody out."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ..control.sessions import CODE_SECONDS
from .base import Run, errors

router = APIRouter(prefix="/api/sign-in", tags=["sign-in"])


class SignInCode(BaseModel):
    """code: signs a browser in once, at `/ui/sign-in#code`. seconds: how long it may be used."""

    code: str
    seconds: float


class SignedOut(BaseModel):
    """sessions: how many browsers were signed in."""

    sessions: int


@router.post("", responses=errors())
def make_code(control: Run) -> SignInCode:
    """A code for one sign-in."""
    return SignInCode(code=control.sessions.code(), seconds=CODE_SECONDS)


@router.delete("", responses=errors())
def sign_out(control: Run) -> SignedOut:
    """Sign every browser out."""
    return SignedOut(sessions=control.sessions.end_all())
