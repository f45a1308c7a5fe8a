"""What tests of features share."""

from __future__ import annotations

from typing import Any

import ibis
import pytest

from tests.features.onnx_expressions import FRAME, SCHEMA


@pytest.fixture(scope="module")
def con() -> Any:
    connection = ibis.duckdb.connect()
    connection.create_table("t", ibis.memtable(FRAME, schema=SCHEMA))
    return connection
