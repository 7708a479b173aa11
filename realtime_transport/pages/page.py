"""What the pages share: each is one HTML file with bokeh's plots that opens without a network."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import orjson

from realtime_transport.errors import missing_extra

try:
    import bokeh.embed
    import bokeh.resources
    import jinja2
    from bokeh.plotting import figure
    from markupsafe import Markup
except ModuleNotFoundError as _error:
    missing_extra(_error, "pages")

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

__all__ = ["INK", "MODEL", "UNHEARD", "USER", "embedded_json", "plot", "render"]

USER, MODEL, UNHEARD, INK = "#4d8df6", "#e8793a", "#9aa5b1", "#8a94a0"
"""Colours that differ on light and dark backgrounds, also for the colour-blind."""


def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return resources.files("realtime_transport.pages").joinpath("assets", name).read_text(encoding="utf-8")


def plot(name: str, height: int, **options: Any) -> Figure:
    """An empty plot as wide as the page, with a transparent background."""
    made: Any = figure(name=name, height=height, sizing_mode="stretch_width", toolbar_location="right", **options)
    made.background_fill_color = made.border_fill_color = None
    made.outline_line_color = INK
    made.outline_line_alpha = 0.3
    for axis in made.axis:
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = INK
    made.grid.grid_line_color = INK
    made.grid.grid_line_alpha = 0.15
    made.toolbar.logo = None
    return made


def embedded_json(value: Any) -> Markup:
    """*value* as JSON for a ``<script>``, escaped so that no text in it ends the element."""
    text = orjson.dumps(value, default=str).decode()
    return Markup(text.replace("<", "\\u003c"))


def render(page: str, models: Any, **values: Any) -> str:
    """The *page* of ``assets``, with its script and the plots *models* in it."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    script, div = cast("tuple[str, str]", bokeh.embed.components(models))
    # Not `render_js`: that links to a script on another host.
    raw = bokeh.resources.Resources(mode="inline", components=["bokeh"]).js_raw
    library = "".join(f'<script type="text/javascript">{text}</script>' for text in raw)
    return environment.from_string(asset(f"{page}.html")).render(
        css=Markup(asset("page.css")),
        bokeh=Markup(library),
        js=Markup(asset("page.js") + asset(f"{page}.js")),
        script=Markup(script),
        plots=Markup(div),
        **values,
    )
