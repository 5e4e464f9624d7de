"""The token by which a server knows its clients."""

from condgen.errors import RequestError


def checked_token(token: str) -> str:
    """A bearer token without space around it, such as the end of the line of the file that it was read from.

    Raises RequestError for one that no HTTP header carries.
    """
    token = token.strip()
    if not token:
        raise RequestError("The token is empty. Give it at least one letter or digit.")
    if not (token.isascii() and token.isprintable()):
        raise RequestError("A token may only have letters, digits and signs of ASCII, in one line.")
    return token
