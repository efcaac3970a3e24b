"""What groups of settings have in common: where they are read from, and what fits together."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "COINTIDE_"
TLS_PARTS = ("ca_file", "certificate_file", "key_file", "key_password")


class SettingsGroup(BaseSettings):
    """The settings of one area. A process reads `Settings`, which has all of them."""

    # Of an input that is refused nothing is shown: it may hold a secret.
    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    def _expect(self, is_used: bool, expected: str, names: list[str], was: object) -> None:
        given = [variable_of(name) for name in names if self._is_given(name)]
        if given and not is_used:
            raise ValueError(f"expected {expected} with {' and '.join(given)}, was {was}")

    def _expect_whole(self, prefix: str) -> None:
        """Refuse a certificate without its key, a key without its certificate, and so on."""
        self._expect_both(f"{prefix}certificate_file", f"{prefix}key_file")
        self._expect_both(f"{prefix}key_file", f"{prefix}certificate_file")
        self._expect_both(f"{prefix}key_password", f"{prefix}key_file")

    def _expect_both(self, name: str, needed: str) -> None:
        if self._is_given(name) and not self._is_given(needed):
            raise ValueError(
                f"expected {variable_of(needed)} to be set with {variable_of(name)}, was empty"
            )

    def _is_given(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def variable_of(name: str) -> str:
    """Return the environment's name of a setting.

    >>> variable_of("kafka_brokers")
    'COINTIDE_KAFKA_BROKERS'
    """
    return ENVIRONMENT_PREFIX + name.upper()
