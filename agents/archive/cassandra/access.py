"""Where Cassandra is and what lets us in, as the settings say; nothing here speaks to it."""

from __future__ import annotations

import hashlib
import ssl

from models.errors import SettingsError
from models.settings import Settings

PORT = 9042
_LONGEST_KEYSPACE = 48
_DIGEST_CHARACTERS = 8


def keyspace_of(settings: Settings) -> str:
    """Return the keyspace of the settings: a namespace has one of its own.

    A name of Cassandra is at most 48 letters, digits and `_`; where the namespace does not fit in
    as it is, a digest keeps it apart from others.

    >>> keyspace_of(Settings()), keyspace_of(Settings(namespace="evening"))
    ('cointide', 'evening_cointide')
    >>> keyspace_of(Settings(namespace="watch-1"))
    'watch_1_772632da_cointide'
    """
    namespace, keyspace = settings.namespace, settings.cassandra_keyspace
    if not namespace:
        return keyspace
    room = _LONGEST_KEYSPACE - len(keyspace) - 1
    if "-" in namespace or len(namespace) > room:
        digest = hashlib.sha256(namespace.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        kept = namespace.replace("-", "_")[: max(room - _DIGEST_CHARACTERS - 1, 0)]
        namespace = f"{kept}_{digest}" if kept else digest[:room]
    return f"{namespace}_{keyspace}"


def contact_points(text: str) -> list[tuple[str, int]]:
    """Return hosts and ports of `a:9042,b`.

    Raises:
        SettingsError: there is none, or one is no address.

    >>> contact_points("a:1, b")
    [('a', 1), ('b', 9042)]
    """
    points = []
    for point in text.split(","):
        host, separator, port = point.strip().rpartition(":")
        if not separator:
            host, port = port, str(PORT)
        is_host = host.startswith("[") == host.endswith("]") == (":" in host)
        is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65_536
        if not host or not is_host or not is_port:
            raise SettingsError(
                "expected COINTIDE_CASSANDRA_CONTACT_POINTS to be `host` or `host:port` with "
                f"commas between, was {text!r}"
            )
        points.append((host.strip("[]"), int(port)))
    return points


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return what TLS is spoken with.

    Raises:
        SettingsError: a file cannot be used; nothing of it is shown.
    """
    certificate, key = settings.cassandra_ssl_certificate_file, settings.cassandra_ssl_key_file
    try:
        context = ssl.create_default_context(cafile=settings.cassandra_ssl_ca_file or None)
        context.check_hostname = settings.cassandra_ssl_check_hostname
        if certificate:
            # An empty one is a password too: without, a locked key would ask on the terminal.
            password = settings.cassandra_ssl_key_password.get_secret_value()
            context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"expected TLS settings (COINTIDE_CASSANDRA_SSL_…) that can be used, but: {error}"
        ) from error
    return context
