"""Patience with stores: errors that may pass are tried again, and the others become a paragraph."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from condgen.errors import CondgenError, StoreError, shorten
from condgen.extras import MissingExtraError
from condgen.stores.address import protocol

ATTEMPTS = 6
WAIT = 0.2  # seconds before the second attempt, twice as long before each further one
PERMANENT = (
    ImportError,
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
    TypeError,
    ValueError,
)
CREDENTIALS = ("credential", "token", "anonymous", "sso", "login", "signature", "invalidaccesskey")
EXTRAS = {"s3": "condgen[remote]", "s3a": "condgen[remote]", "hf": "condgen[hub]"}  # by protocol; others name a package

Result = TypeVar("Result")


def patiently(address: str, done: str, ask: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """The answer of a store, asked again after errors that may pass.

    done: the wish as a participle, for messages: "read", "written".

    Raises FileNotFoundError and FileExistsError as they come, MissingExtraError without the package for a protocol, and
    StoreError for anything else.
    """
    with explained(address, done):
        for attempt in range(1, attempts):
            try:
                return ask()
            except PERMANENT:
                raise
            except Exception as error:  # each package for a protocol has its own
                if _is_refusal(error):
                    raise
            time.sleep(WAIT * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        return ask()


@contextmanager
def explained(address: str, done: str) -> Iterator[None]:
    """Turn errors of a store into a paragraph, except about files that are or are not there."""
    try:
        yield
    except (CondgenError, FileNotFoundError, FileExistsError):
        raise
    except ImportError as error:
        raise _missing(address, error) from None
    except Exception as error:
        raise StoreError(f"{address} cannot be {done}: {_reason(error)} {_advice(address, error)}") from None


def _missing(address: str, error: ImportError) -> MissingExtraError:
    kind = protocol(address)
    package = EXTRAS.get(kind)
    how = f"pip install '{package}'" if package else shorten(str(error), 200)
    return MissingExtraError(f"{address} needs a package for {kind}:// addresses, which is not installed: {how}.")


def _reason(error: Exception) -> str:
    said = shorten(str(error), 300).rstrip(".") or type(error).__name__
    return f"{said}."


def _advice(address: str, error: Exception) -> str:
    if _is_refusal(error):
        return (
            "Check that your credentials are known here (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a "
            "profile, or a role) and that they may do this."
        )
    if isinstance(error, ValueError | NotImplementedError | TypeError):
        return f"Check the address, and that {protocol(address)}:// can do this."
    return "Check the address and the network, and try again."


def _is_refusal(error: BaseException) -> bool:
    """Whether a store refuses, for lack of credentials or of rights, so that another attempt would not help."""
    names = f"{type(error).__name__} {type(error.__cause__).__name__}".casefold()
    said: Any = f"{names} {error}".casefold()
    return isinstance(error, PermissionError) or any(word in said for word in CREDENTIALS)
