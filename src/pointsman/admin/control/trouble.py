"""What a data folder in trouble raises, said as a PointsmanError. Not here: what has words of its own already (store/)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ...errors import PointsmanError
from ...kinds import ErrorKind

log = logging.getLogger("pointsman.control")


@contextmanager
def translated_errors() -> Iterator[None]:
    """What a data folder in trouble raises beyond the errors that have words of their own already."""
    try:
        yield
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The data folder cannot be used ({error.strerror}).", retry_after=5
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        log.debug("the database cannot be used", exc_info=error)
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            "The database cannot be used: its tables are not what they should be; stop the gateway and put back a"
            " backup.",
            retry_after=5,
        ) from error
