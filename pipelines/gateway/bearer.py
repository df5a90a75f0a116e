"""Who asks: found out from the Authorization header alone, never from a URL.

Here belongs that one dependency, for whatever kind of token; whose a token is, is known to those who made it.
"""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from catalog.model import Title
from pipelines.gateway.problems import Problem

Who = TypeVar("Who")


def bearing(find: Callable[[str], Who | None], description: str, wanted: Title) -> Callable[..., Who]:
    """A dependency that gives whom ``find`` knows the token of; a 401 that says what is ``wanted`` where nobody."""
    scheme = HTTPBearer(auto_error=False, description=description)

    def bearer(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> Who:
        found = find(credentials.credentials.strip()) if credentials else None
        if found is None:
            raise Problem(401, wanted)
        return found

    return bearer
