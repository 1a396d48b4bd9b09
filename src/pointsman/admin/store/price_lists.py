"""The list of prices that comes with the gateway, and what a user has read in in its place. Nothing of it is kept in memory:
most gateways have one provider, or none.

Not here: prices that the user has set (prices.py), and how others' lists are read (ledger/price_files.py).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

from ...ledger.price_spec import PriceSpec

FILE = "list_prices.json"
"""Made by `make prices`."""


class Provided(msgspec.Struct, frozen=True):
    """One provider of the list; see ProviderPrices."""

    id: str
    name: str
    hosts: str
    models: msgspec.Raw
    others: tuple[str, ...] = ()


class PriceList(msgspec.Struct, frozen=True):
    """source: what it was made of. day: until when that was kept."""

    source: str
    day: str
    licence: str
    providers: tuple[Provided, ...]

    def at(self, base_url: str) -> Provided | None:
        """The provider whose address that is."""
        return next((one for one in self.providers if _test(one.hosts).match(base_url)), None)

    def named(self, name: str) -> Provided | None:
        return next((one for one in self.providers if one.id == name), None)


_decode = msgspec.json.Decoder(PriceList).decode
_decode_models = msgspec.json.Decoder(tuple[PriceSpec, ...]).decode


def built_in() -> PriceList:
    """Read anew each time."""
    return _decode(Path(__file__).with_name(FILE).read_bytes())


def models_of(models: msgspec.Raw | bytes) -> tuple[PriceSpec, ...]:
    return _decode_models(models)


@cache
def _test(hosts: str) -> re.Pattern[str]:
    return re.compile(hosts, re.IGNORECASE)
