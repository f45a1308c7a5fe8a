"""What a report notebook shows: described pictures and tables, the same bytes every time."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 160
SCREEN_PIXELS_PER_INCH = 110


def show_figure(figure: Figure, *, alt: str) -> None:
    """Show `figure` as a PNG without dates; `alt` says in words what it shows."""
    import matplotlib.pyplot as plt
    from IPython.display import publish_display_data

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    plt.close(figure)
    width = round(figure.get_figwidth() * SCREEN_PIXELS_PER_INCH)
    data = base64.b64encode(buffer.getvalue()).decode()
    publish_display_data(
        {"image/png": data, "text/plain": alt}, metadata={"image/png": {"alt": alt, "width": width}}
    )


def show_table(
    table: pd.DataFrame, *, caption: str = "", formats: Mapping[str, str] | None = None
) -> None:
    """Show `table` with its index; `formats`: format specs by column, such as {"auc": ".4f"}."""
    from IPython.display import publish_display_data

    text = table.to_string(max_rows=60)
    publish_display_data(
        {"text/html": table_html(table, caption, formats or {}), "text/plain": text}
    )


def table_html(table: pd.DataFrame, caption: str, formats: Mapping[str, str]) -> str:
    """`table` as plain HTML; numbers to the right, missing values as a dash, all text escaped."""
    numeric = {name for name in table.columns if table[name].dtype.kind in "iuf"}
    names = [(str(name), name in numeric) for name in table.columns]
    heads = [_cell("th", str(table.index.name or ""), scope="col")]
    heads += [
        _cell("th", name.replace("_", " "), scope="col", right=right) for name, right in names
    ]
    rows = [
        _cell("th", str(label), scope="row")
        + "".join(
            _cell("td", _text(value, formats.get(name, "")), right=right)
            for value, (name, right) in zip(row, names, strict=True)
        )
        for label, row in zip(table.index, table.itertuples(index=False, name=None), strict=True)
    ]
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>{title}<thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, *, scope: str = "", right: bool = False) -> str:
    """One table cell."""
    attributes = f' scope="{scope}"' * bool(scope) + ' class="num"' * right
    return f"<{tag}{attributes}>{html.escape(text)}</{tag}>"


def _text(value: Any, spec: str) -> str:
    """A value as a reader wants it: yes or no, a dash for missing, thousands separated."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return format(value, spec or (".4f" if isinstance(value, float) else ","))


def show_text(markdown: str) -> None:
    """Show a sentence made of figures, in markdown."""
    from IPython.display import publish_display_data

    publish_display_data({"text/markdown": markdown, "text/plain": markdown})
