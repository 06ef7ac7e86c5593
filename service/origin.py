"""Origins of web addresses, spelled as browsers spell them in the header Origin (RFC 6454)."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
# urlsplit accepts a user, and any text after the bracket of an IPv6 address.
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]@]+\]|[^\[\]:@]+)(?::\d*)?", re.ASCII)


def origin_of(url: str) -> str:
    """Scheme, host and port of an http or https URL. Raises ValueError for any other text."""
    parts = urlsplit(url)
    if (
        parts.scheme not in DEFAULT_PORTS
        or not _HOST_AND_PORT.fullmatch(parts.netloc)
        or not parts.hostname
    ):
        raise ValueError("is not an http or https URL")
    origin = f"{parts.scheme}://{_spelled(parts.hostname)}"
    default = DEFAULT_PORTS[parts.scheme]
    return origin if parts.port in (None, default) else f"{origin}:{parts.port}"


def _spelled(host: str) -> str:
    """One spelling of each host: IPv6 compressed and in brackets, other alphabets as xn--."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.encode("idna").decode("ascii")
    return f"[{address.compressed}]" if address.version == 6 else str(address)
