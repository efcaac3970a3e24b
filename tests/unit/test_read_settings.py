"""What a command says of settings that it cannot use."""

from __future__ import annotations

import pytest

from models.errors import SettingsError
from services.cli import main, read_settings

SECRET = "0pen-sesame"


def test_settings_that_do_not_fit_together_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with status 2; its sentence has the variables and not the password."""
    monkeypatch.setenv("COINTIDE_KAFKA_SASL_PASSWORD", SECRET)
    assert main(["lag"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "cointide: expected settings within their bounds, but expected "
        "COINTIDE_KAFKA_SECURITY_PROTOCOL to be sasl_plaintext or sasl_ssl with "
        "COINTIDE_KAFKA_SASL_PASSWORD, was plaintext\n"
    )


def test_a_value_out_of_bounds_is_shown_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came stands in the sentence."""
    monkeypatch.setenv("COINTIDE_KAFKA_SASL_MECHANISM", "GSSAPI")
    with pytest.raises(SettingsError, match=r"COINTIDE_KAFKA_SASL_MECHANISM: .*, was 'GSSAPI'$"):
        read_settings()


def test_a_secret_out_of_bounds_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a key that is no text only the variable stands in the sentence."""
    monkeypatch.setenv("COINTIDE_API_KEYS", "[31415926]")
    with pytest.raises(SettingsError, match=r"COINTIDE_API_KEYS: ") as caught:
        read_settings()
    assert "31415926" not in str(caught.value)
