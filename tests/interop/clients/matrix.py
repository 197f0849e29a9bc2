"""The table of clients and methods."""

from scenario import CANNOT, METHODS

CALLED, CANNOT_CALL, MISSING = "yes", "n/a", "MISSING"


def cell(client: str, transport: str, method: str, called: set[str]) -> str:
    if method in called:
        return CALLED
    return CANNOT_CALL if method in CANNOT.get((client, transport), {}) else MISSING


def table(called: dict[tuple[str, str], set[str]]) -> str:
    """Returns a Markdown table with one row for each method."""
    names = [f"{client} {transport}" for client, transport in called]
    rows = [["method", *names], ["---"] * (len(names) + 1)]
    for method in METHODS:
        rows.append([method, *(cell(*key, method, seen) for key, seen in called.items())])
    width = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    lines = [
        " | ".join(text.ljust(length) for text, length in zip(row, width, strict=True))
        for row in rows
    ]
    return "\n".join(f"| {line} |" for line in lines)


def reasons() -> str:
    """Returns the reasons why clients cannot call methods, one line each."""
    lines = []
    for (client, transport), methods in CANNOT.items():
        for reason in dict.fromkeys(methods.values()):
            named = [method for method, why in methods.items() if why == reason]
            lines.append(f"n/a for {client} {transport}: {', '.join(named)}: {reason}")
    return "\n".join(lines)
