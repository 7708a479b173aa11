"""Drawings in the documentation that are made from the code: ``python -m tests.drawings`` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from realtime_transport.connection.life_cycle import STATUS, TRANSITIONS, State

PAGE = Path(__file__).parent.parent / "docs" / "life-cycle.md"
PLACE = re.compile(r"(<!-- generated: python -m tests\.drawings -->\n).*?(<!-- end -->)", re.DOTALL)


def life_cycle() -> str:
    """The table of a connect attempt as a Mermaid diagram, and its states with their status."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.RESOLVING_KEY.value}"]
    for (state, signal), transition in TRANSITIONS.items():
        emits = f" / {', '.join(transition.emits)}" if transition.emits else ""
        lines.append(f"    {state.value} --> {transition.to.value}: {signal.name}{emits}")
    lines += [f"    {State.CLOSED.value} --> [*]", "```", "", "| state | `status` |", "|---|---|"]
    lines += [f"| `{state.value}` | `{STATUS[state]}` |" for state in State]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """*text* with the drawing in its place."""
    drawn, count = PLACE.subn(lambda match: match[1] + life_cycle() + match[2], text)
    assert count == 1, "the page has no place for the drawing"
    return drawn


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
