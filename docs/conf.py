"""How the documentation is built: ``nox -s docs``. Nothing is fetched."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "realtime-transport"
author = "The realtime-transport developers"
version = release = installed_version("realtime-transport")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "code"
"""Our docstrings put names into single backquotes."""

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_param = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path: list[str] = []
html_show_copyright = False
# System fonts, no analytics: a page asks no other host for anything.
html_theme_options = {"navigation_with_keys": True}

HERE = Path(__file__).parent


def text_below(name: str) -> str:
    """The text below the assignment of a constant or an alias, wherever it is."""
    found = re.compile(rf'^{name}\b[^\n]*=(?:.|\n)*?^"""((?:.|\n)*?)"""$', re.MULTILINE)
    for path in sorted((HERE.parent / "realtime_transport").rglob("*.py")):
        source = path.read_text()
        if re.search(rf"^{name}\b[^\n]*=", source, re.MULTILINE) and (match := found.search(source)):
            return match[1]
    return ""


def write_reference() -> int:
    """List every public name for autodoc; how many there are. A name without a docstring is an error."""
    import inspect

    import realtime_transport
    from realtime_transport import client_events, events, server_events, session_events, telemetry

    lines: list[str] = []
    bare: list[str] = []

    def add(module: str, name: str, value: object) -> None:
        if inspect.isclass(value):
            lines.extend([f".. autoclass:: {module}.{name}", "   :members:", ""])
            described = inspect.getdoc(value)
        elif inspect.isroutine(value):
            lines.extend([f".. autofunction:: {module}.{name}", ""])
            described = inspect.getdoc(value)
        else:
            described = text_below(name)
            lines.extend([f".. py:data:: {module}.{name}", "", *(f"   {line}" for line in described.splitlines()), ""])
        if not described:
            bare.append(f"{module}.{name}")

    count = 0
    for title, module, names in (
        ("realtime_transport", realtime_transport, realtime_transport.__all__),
        ("realtime_transport.events", events, events.__all__),
        ("realtime_transport.server_events", server_events, server_events.__all__),
        ("realtime_transport.client_events", client_events, client_events.__all__),
        ("realtime_transport.session_events", session_events, session_events.__all__),
        ("realtime_transport.telemetry", telemetry, telemetry.__all__),
    ):
        lines.extend([title, "-" * len(title), ""])
        for name in sorted(names):
            if module is not realtime_transport and name in realtime_transport.__all__:
                continue
            if inspect.ismodule(getattr(module, name)):
                continue
            add(title, name, getattr(module, name))
            count += 1
    if bare:
        raise RuntimeError(f"without a docstring: {', '.join(bare)}")
    (HERE / "_reference.txt").write_text("\n".join(lines))
    return count


def _pages() -> list[Path]:
    """The pages in the order of the table of contents."""
    listed = re.findall(r"^([\w/-]+)$", (HERE / "index.md").read_text(), re.MULTILINE)
    return [HERE / f"{name}.md" for name in listed if (HERE / f"{name}.md").exists()]


def write_llms(app: Sphinx, error: Exception | None) -> None:
    """``llms.txt`` and ``llms-full.txt``, from the same pages."""
    if error is not None or app.builder.format != "html":
        return
    lines, whole = [f"# {project}", "", "> Speech-to-speech sessions in Python, on trio and asyncio.", ""], []
    for page in _pages():
        text = page.read_text()
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        lines.append(f"- [{title[1] if title else page.stem}]({page.stem}.html)")
        whole.append(text)
    out = Path(app.outdir)
    (out / "llms.txt").write_text("\n".join(lines) + "\n")
    (out / "llms-full.txt").write_text("\n\n".join(whole))


def for_the_site(_app: Sphinx, _page: str, source: list[str]) -> None:
    """What a checkout shows and the site cannot: files beside the docs, and diagrams."""
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./((?:examples|tests|README)[^)]*)\)", r"\1 (`\2`)", source[0])
    source[0] = source[0].replace("```mermaid", "```text")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    print(f"{write_reference()} public names, each with its docstring")
    app.connect("source-read", for_the_site)
    app.connect("build-finished", write_llms)
    return {"parallel_read_safe": True}
