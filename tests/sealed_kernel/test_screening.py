"""The screen names what an output must not show by its kind, and lets ordinary figures pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sealed_kernel.screening import (
    Screen,
    describe,
    known_secrets,
    personal_columns,
    project_screen,
    withheld,
    withhold,
)
from tests.conftest import ROOT

SHOWN = {
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE": "private key",
    "id AKIA" + "IOSFODNN7EXAMPLE": "access key",
    "token gh" + "p_" + "a1B2" * 9: "access token",
    "Authorization: ey"
    + "JhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJlLWhlcmUtMTIz": "signed token",
    "postgresql://bank:s3cretpw@db/ledger": "password in an address",
    "password = 'hunter2hunter2'": "password or key",
    '{"api_key": "9f8a7b6c5d4e"}': "password or key",
    "write to anna.meier@bank-haus.de": "e-mail address",
    "call +49 170 1234567 today": "phone number",
    "call (555) 013-2345": "phone number",
    "card 4111 1111 1111 1111": "card number",
    "card 5555555555554444.": "card number",
    "from DE89 3704 0044 0532 0130 00": "bank account (IBAN)",
    "GB29NWBK60161331926819": "bank account (IBAN)",
}
ORDINARY = (
    "AUC 0.4111111111111111 [0.7412, 0.8093]",
    "4111111111111112 is no card: its check digit is wrong",
    "event_us 1533728400000000, id 1000000000000001",
    "sha256 4111111111111111deadbeef4111111111111111",
    "rows 30,000; amounts 1 234 567 890; 2005-04-01 to 2005-09-30",
    "+0.0123 -0.4567 +1.234567890",
    "DE89370400440532013001 has a wrong check digit",
    "the password is read from conf/local; token: none; secret=os.environ['X']",
    "password = ********",
    "ada@example.com, @decorator, user@localhost",
    "Access key to the model: features",
    "https://doi.org/10.24432/C55S3H",
)


def kinds(text: str, screen: Screen | None = None) -> set[str]:
    return (screen or Screen()).kinds(text)


@pytest.mark.parametrize(("text", "kind"), SHOWN.items())
def test_kind_of_what_is_shown(text: str, kind: str) -> None:
    assert kind in kinds(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_output_passes(text: str) -> None:
    assert kinds(text) == set()


def test_colours_do_not_hide_a_value() -> None:
    assert kinds("4111\x1b[0m 1111 1111 1111") == {"card number"}


def cell(*outputs: dict[str, Any], source: str = "show()", tags: tuple[str, ...] = ()) -> Any:
    node = nbformat.v4.new_code_cell(source, id="shown", metadata={"tags": list(tags)})
    node.outputs = [nbformat.from_dict(output) for output in outputs]
    return node


def display(**data: Any) -> dict[str, Any]:
    data = {mime.replace("_", "/"): value for mime, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def error(evalue: str, *traceback: str) -> dict[str, Any]:
    found = {"output_type": "error", "ename": "ValueError", "evalue": evalue}
    return {**found, "traceback": list(traceback)}


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("output", "where"),
    [
        ({"output_type": "stream", "name": "stderr", "text": f"card {CARD}"}, "output 1"),
        (display(text_html=f"<p>{CARD}</p>"), "output 1"),
        (display(application_json={"a": [CARD]}), "output 1"),
        (display(text_plain=["card\n", CARD]), "output 1"),
        (error(CARD), "the traceback"),
        (error("no", f"  card = '{CARD}'"), "the traceback"),
    ],
)
def test_every_kind_of_output_is_looked_at(output: dict[str, Any], where: str) -> None:
    [finding] = Screen().of_cell(cell(output), 3)
    assert (finding.cell, finding.cell_id, finding.kind, finding.where) == (
        *(3, "shown", "card number"),
        where,
    )


def test_a_value_across_chunks_of_a_stream_is_seen() -> None:
    """How a stream is cut is up to timing; the page shows it whole."""
    texts = (CARD[:6], CARD[6:11], CARD[11:])
    chunks = [{"output_type": "stream", "name": "stdout", "text": text} for text in texts]
    for outputs in (chunks, [chunks[0], display(text_plain="between"), *chunks[1:]]):
        [finding] = Screen().of_cell(cell(*outputs), 0)
        assert (finding.kind, finding.where) == ("card number", "stdout")
    chunks[0]["name"] = "stderr"
    assert not Screen().of_cell(cell(*chunks), 0)


def test_a_picture_is_no_text() -> None:
    assert not Screen().of_cell(cell(display(image_png="4111111111111111")), 0)
    page = f"<img src='data:image/png;base64,{'4111111111111111' * 9}'/>"
    assert kinds(page) == set()


def test_what_is_said_does_not_hold_the_value() -> None:
    shown = cell({"output_type": "stream", "name": "stdout", "text": CARD})
    findings = Screen().of_cell(shown, 0)
    withhold(shown, "card number")
    assert "card number in output 1" in describe(findings)
    assert CARD not in describe(findings) + json.dumps(shown)
    assert withheld(shown)
    assert not Screen().of_notebook({"cells": [shown]})


PERSONAL = Screen(personal={"ID": "pseudonym", "AGE": "protected", "LIMIT_BAL": "financial"})
ROWS = {
    "text": "   ID  AGE  LIMIT_BAL\n0   1   24      20000",
    "index": "<table><thead><tr><th></th><th>AGE</th></tr><tr><th>ID</th><th></th></tr></thead>",
    "page": "<table><tr><th>ID</th><th>AGE</th></tr><tr><td>1</td><td>24</td></tr></table>",
    "records": '[{"ID": 1, "AGE": 24}]',
    "ibis": "│ ID    │ AGE   │\n│ 1     │ 24    │",
}


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
def test_rows_of_persons_are_personal_data(text: str) -> None:
    assert kinds(text, PERSONAL) == {"rows of personal data"}


@pytest.mark.parametrize(
    "text",
    [
        "AGE     rate\n20-30   0.2",
        "ID is the number of the client, AGE is in years.\n\n## 2 columns",
        "<table><tr><th>AGE</th><th>LIMIT_BAL</th></tr></table>",
        "column ID: 30000 rows, 0 missing",
        "<table><tr><th>column</th><th>role</th></tr><tr></tr><tr><th>ID</th><td>id</td></tr>"
        "<tr><th>AGE</th><td>protected</td></tr></table>",
    ],
)
def test_groups_and_names_of_columns_are_not(text: str) -> None:
    assert kinds(text, PERSONAL) == set()


def test_a_cell_may_say_that_its_rows_are_of_nobody() -> None:
    rows = {"output_type": "stream", "name": "stdout", "text": ROWS["text"]}
    assert "tag 'simulated'" in describe(PERSONAL.of_cell(cell(rows), 0))
    assert not PERSONAL.of_cell(cell(rows, tags=("simulated",)), 0)
    card = {"output_type": "stream", "name": "stdout", "text": CARD}
    assert PERSONAL.of_cell(cell(card, tags=("simulated",)), 0)


def test_columns_come_from_the_contracts() -> None:
    found = personal_columns(ROOT)
    assert found["ID"] == "pseudonym"
    assert found["SEX"] == "protected"
    assert "none" not in found.values()


def test_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_PASSWORD", "rather-plain-words")
    monkeypatch.setenv("SECRET_FILE", "/run/secrets/ledger")
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/local/credentials.yml").write_text(
        "db:\n  password: in-conf-local\n  user: me\n"
    )
    assert {"rather-plain-words", "in-conf-local"} <= known_secrets(tmp_path)
    assert "/run/secrets/ledger" not in known_secrets(tmp_path)
    screen = project_screen(tmp_path)
    assert screen.kinds("it is in-conf-local!") == {"a secret of this machine"}
