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

nitpicky = True
"""A reference that leads nowhere is an error: those of the pages to public names, those of docstrings to errors."""

nitpick_ignore_regex = [("py:class", ".*"), ("py:exc", r"(anyio\.|pytest\.)?[A-Z]\w*")]
"""Types of attributes are shown as they are. An exception without a link is one of others; ours are links."""

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


def _public() -> dict[str, list[str]]:
    """The public names by module, each where it is documented."""
    import inspect
    from importlib import import_module

    found: dict[str, list[str]] = {}
    for name in ("", ".events", ".server_events", ".client_events", ".session_events", ".telemetry"):
        module = import_module(f"realtime_transport{name}")
        above = found.get("realtime_transport", ())
        found[module.__name__] = [
            each for each in sorted(module.__all__) if each not in above and not inspect.ismodule(getattr(module, each))
        ]
    return found


PUBLIC = _public()
PLACES = {name: module for module, names in reversed(PUBLIC.items()) for name in names}
"""Where each public name is documented; one that two modules have, in the first."""


def write_reference() -> int:
    """List every public name for autodoc; how many there are. A name without a docstring is an error."""
    import inspect
    from importlib import import_module

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
            head = [f".. py:data:: {name}", f"   :module: {module}", ""]
            lines.extend([*head, *(f"   {line}" for line in described.splitlines()), ""])
        if not described:
            bare.append(f"{module}.{name}")

    for module, names in PUBLIC.items():
        lines.extend([f".. py:module:: {module}", "   :no-index:", "", module, "-" * len(module), ""])
        for name in names:
            add(module, name, getattr(import_module(module), name))
    if bare:
        raise RuntimeError(f"without a docstring: {', '.join(bare)}")
    (HERE / "_reference.txt").write_text("\n".join(lines))
    return sum(map(len, PUBLIC.values()))


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


def for_the_site(_app: Sphinx, page: str, source: list[str]) -> None:
    """What a checkout shows and the site cannot: files beside the docs, and diagrams. Public names become links."""
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./((?:examples|tests|README)[^)]*)\)", r"\1 (`\2`)", source[0])
    source[0] = source[0].replace("```mermaid", "```text")
    if page not in ("reference", "changelog", "security"):
        pieces = re.split(r"(^(?:```[\s\S]*?^```|#.*)$|\[[^\]]*\]\([^)]*\))", source[0], flags=re.MULTILINE)
        linked: set[str] = set()
        # What is matched by the group (code, headings, links) has the odd places.
        source[0] = "".join(piece if at % 2 else _link(piece, linked) for at, piece in enumerate(pieces))


def _link(text: str, linked: set[str]) -> str:
    """*text* with a link to the reference where a public name stands for the first time."""

    def link(found: re.Match[str]) -> str:
        name = found[1]
        module = PLACES.get(name)
        if module is None or name in linked:
            return found[0]
        linked.add(name)
        return f"{{py:obj}}`{name} <{module}.{name}>`"

    return re.sub(r"(?<![`{}\w])`([A-Z]\w+)`(?!`)", link, text)


def find_public_name(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Where a name without its module leads: docstrings say `ConfigError`."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    module = PLACES.get(name)
    if node.get("refdomain") != "py" or module is None:
        return None
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    print(f"{write_reference()} public names, each with its docstring")
    app.connect("source-read", for_the_site)
    app.connect("build-finished", write_llms)
    app.connect("missing-reference", find_public_name)
    return {"parallel_read_safe": True}
