"""Sentences about a dataset: its problems and the next steps, the most useful first."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from condgen.inspection.association import Association, CoOccurrence
from condgen.inspection.balance import Balance
from condgen.inspection.columns import Column
from condgen.inspection.scan import Scan
from condgen.messages import Expression, Mention, call, setting

RARE = 0.2  # a value with a smaller share of an even split is rare
NEAR_CONSTANT = 0.99
FEW_EXAMPLES = 50  # fewer examples of a value hardly teach it
TOO_FEW = 100  # fewer training examples leave next to none for a test
MOST_ADVISED = 5  # attributes in the suggested command
REDUNDANT = 0.5  # of more strongly associated attributes only one is suggested
STRONG = 0.3  # stronger associations are named
BROKEN = 0.05  # share of unusable images that training leaves out by default
HOPELESS = 0.5  # at a larger share of unusable images, repair comes before training
NAMED = 3  # number of findings of each kind
MOST_LISTED = 8  # names in one sentence


def problems(
    balance: Sequence[Balance],
    columns: Sequence[Column],
    scan: Scan,
    rows: int,
    separate: bool,
    small: Mapping[tuple[int, int], int],
    shape: Sequence[int],
    crowding: Sequence[str] = (),
    unlabelled: int = 0,
) -> Iterator[str]:
    """The faults of the data, the gravest first.

    small: sizes too small for training, and the number of each.
    crowding: sentences on numbers in a stretched range.
    unlabelled: number of rows without any label, in data that has attributes.
    """
    yield from _unreadable(scan)
    yield from _too_small(small, shape)
    yield from _too_many(scan, sum(small.values()))
    yield from _leakage(scan, separate)
    yield from _copies(scan)
    yield from _too_few(rows, unlabelled, bool(balance))
    for column in columns:
        if column.suspicious:
            yield f"{column.name} looks like an identifier ({column.why}); leave it out (`attributes`)."
        if column.groups:
            yield _groups(column)
    yield from crowding
    yield from _mistaken(columns)
    yield from _missing(balance, rows, unlabelled)
    yield from _constant(balance)
    yield from _uneven(balance)


def _groups(column: Column) -> str:
    """A sentence on an identifier that several rows share."""
    return (
        f"{column.name} looks like an identifier ({column.why}); leave it out (`attributes`). To keep all rows of one "
        f"value in one part, split by it ({setting(split=f'group:{column.name}')})."
    )


def _unreadable(scan: Scan) -> Iterator[str]:
    if scan.unreadable:
        first = scan.unreadable[0]
        which = f"{len(scan.unreadable):,} of {scan.looked_at:,} images cannot be read"
        yield f"{which}; the first is {first.name}: {first.reason}. Repair them or take them out."


def _too_small(small: Mapping[tuple[int, int], int], shape: Sequence[int]) -> Iterator[str]:
    if small:
        sizes = _with_counts({f"{width}×{height}": n for (width, height), n in small.items()})
        yield f"{sum(small.values()):,} images are too small for {shape[2]}×{shape[1]} and will be left out: {sizes}."


def _too_few(rows: int, unlabelled: int, asked_for: bool) -> Iterator[str]:
    if (usable := rows - unlabelled) < TOO_FEW:
        which = "training examples with a label" if unlabelled else "training examples"
        yield (
            f"{usable:,} {which} are too few: a model repeats them, and too few are held out to tell how well "
            f"it {'obeys' if asked_for else 'does'}. Collect some hundreds"
            f"{', of each value that you will ask for' if asked_for else ''}."
        )


def unusable(scan: Scan, small: int) -> float:
    """The share of images that training would leave out."""
    return (len(scan.unreadable) + small) / max(scan.looked_at, 1)


def _too_many(scan: Scan, small: int) -> Iterator[str]:
    if (share := unusable(scan, small)) > BROKEN:
        yield f"{100 * share:.0f} % of the images are unusable; training takes 5 % at most, or `broken`."


def _leakage(scan: Scan, separate: bool) -> Iterator[str]:
    exact, near = scan.exact.leaked, scan.near.leaked
    if not exact and not near:
        return
    held = " and ".join(_copied(n, how) for n, how in ((exact, "exact"), (near, "near")) if n)
    remedy = (
        "take them out of the training data" if separate else "take the copies out, since the split is drawn at random"
    )
    yield (
        f"The test data holds {held} of training examples. A model that memorised those scores better than it "
        f"deserves. To judge it fairly, {remedy}."
    )


def _copied(n: int, how: str) -> str:
    return f"{n:,} {how}{' ' if how == 'exact' else '-'}{'copy' if n == 1 else 'copies'}"


def _copies(scan: Scan) -> Iterator[str]:
    if scan.exact.copies:
        are = "is an exact copy of another" if scan.exact.copies == 1 else "are exact copies of others"
        yield f"{scan.exact.copies:,} of {scan.looked_at:,} examples {are}."
    if scan.near.copies:
        yield f"{scan.near.copies:,} of {_compared(scan)} are near-copies of others."
    if differ := scan.exact.contradictions + scan.near.contradictions:
        which = "a group" if differ == 1 else f"{differ:,} groups"
        yield f"In {which} of copies the labels differ: at most one of them can be right."


def _compared(scan: Scan) -> str:
    """The number of images that were compared for near-copies, as text."""
    if scan.decoded + scan.exact.copies + len(scan.unreadable) >= scan.looked_at:
        return f"{scan.decoded:,} images"
    return f"{scan.decoded:,} images, a sample that was compared,"


def _mistaken(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        if column.mistakes:
            read = "It is read as names" if column.used else "It was left out"
            yield f"{column.mistakes} {read}: correct such cells, or leave them empty."


def _missing(balance: Sequence[Balance], rows: int, unlabelled: int) -> Iterator[str]:
    lacking = sorted((b for b in balance if b.missing), key=lambda b: -b.missing)
    free = (
        "; beside other labels they are left free in training" if any(b.missing > unlabelled for b in lacking) else ""
    )
    if len(lacking) == 1:
        yield f"{lacking[0].name}: {lacking[0].missing:,} of {rows:,} labels are missing{free}."
    elif lacking:
        each = _with_counts({b.name: b.missing for b in lacking})
        yield f"{len(lacking)} attributes have missing labels among {rows:,} examples: {each}{free}."
    if unlabelled:
        yield (
            f"{unlabelled:,} of {rows:,} training examples have no label at all: most models leave them out, others "
            "(`model='flow'`) learn from them too."
        )


def _constant(balance: Sequence[Balance]) -> Iterator[str]:
    for b in filter(_near_constant, balance):
        most = max(b.counts, key=lambda v: b.counts[v])
        yield f"{b.name} is nearly constant: '{most}' in {100 * b.counts[most] / b.known:.1f} %."


def _near_constant(b: Balance) -> bool:
    return b.known > 0 and max(b.counts.values(), default=0) > NEAR_CONSTANT * b.known


def _uneven(balance: Sequence[Balance]) -> Iterator[str]:
    """Rare values, with all attributes in one sentence if there are many."""
    uneven = [(b, b.rare(RARE)) for b in balance if not _near_constant(b) and b.rare(RARE)]
    if len(uneven) <= NAMED:
        for b, rare in uneven:
            yield f"{b.name} has rare values, which a model learns less well: {_with_counts(rare)}."
    else:
        every = {f"{b.name}={value}": n for b, rare in uneven for value, n in rare.items()}
        rarest = dict(sorted(every.items(), key=lambda each: each[1]))
        yield f"{len(uneven)} attributes have rare values, which a model learns less well: {_with_counts(rarest)}."


def _with_counts(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{value} ({n:,})" for value, n in list(counts.items())[:MOST_LISTED])
    return shown + (f" and {len(counts) - MOST_LISTED} more" if len(counts) > MOST_LISTED else "")


def advice(
    source: str | Expression,
    options: Mapping[str, object],
    balance: Sequence[Balance],
    together: CoOccurrence,
    asked: Sequence[str] | None,
    attributes: int,
    share: float,
) -> Iterator[str]:
    """Next steps: what to train first, values that will not be learned, combinations to balance or hold out.

    source: its address, or the expression for data in memory.
    options: arguments for loading besides the attributes.
    balance: of the attributes to choose from.
    attributes: the number of all attributes that the source has. 0 if it may have more than those inspected.
    asked: attributes that the user has chosen.
    share: of unusable images.
    """
    chosen = list(asked) if asked else worth_learning(balance, together.associations)
    if share > HOPELESS:
        yield "Repair the images before anything is trained, then inspect the data again."
    elif chosen or not balance:
        loaded = (
            f" (with pictures loaded at {setting(size=options['size'])})"
            if isinstance(source, Expression) and "size" in options
            else ""
        )
        yield f"Train first{loaded}: {command(source, options, chosen, len(chosen) == attributes and asked != [])}"
    if not balance:
        yield "Without labels, something to ask for is found in the data by `model='infogan'`."
    yield from _too_rare(balance)
    yield from _hand_in_hand(together)
    yield from _gaps(together)
    yield from _to_hold_out(chosen, together)


def worth_learning(balance: Sequence[Balance], associations: Sequence[Association]) -> list[str]:
    """A few attributes to begin with: the best balanced ones with examples of every value, and no two that say the
    same.
    """
    tied = {frozenset((a.first, a.second)) for a in associations if a.strength > REDUNDANT}
    chosen: list[str] = []
    for b in sorted((b for b in balance if _learnable(b)), key=lambda b: -_spread(b)):
        if len(chosen) < MOST_ADVISED and not any(frozenset((b.name, other)) in tied for other in chosen):
            chosen.append(b.name)
    return chosen or [b.name for b in balance if b.known][:1]


def _learnable(b: Balance) -> bool:
    fewest = sorted(b.counts.values())[len(b.counts) // 4] if len(b.counts) > 3 else min(b.counts.values(), default=0)
    return b.known > 0 and (not b.counts or fewest >= FEW_EXAMPLES)


def _spread(b: Balance) -> float:
    """The evenness of an attribute, rounded to a twentieth so that near equals keep their order.

    Numbers count as even.
    """
    return 1.0 if not b.counts else round(20 * b.evenness) / 20


def command(source: str | Expression, options: Mapping[str, object], chosen: Sequence[str], every: bool) -> str:
    """The call that trains on these attributes. every: whether these are all attributes."""
    if isinstance(source, Expression):
        return call("train", source if every else Expression(f"{source}.select({chosen!r})"), out="my-run")
    loading = options if every else {"attributes": list(chosen), **options}
    name = re.sub(r"[^\w-]+", "-", Path(source.partition("?")[0]).stem).strip("-") or "my"
    return call("train", Mention("load", (source,), dict(loading)) if loading else source, out=f"{name}-run")


def options(
    shape: Sequence[int],
    resized: bool,
    resize: str,
    schema: str | Path | None,
    data_dir: str | Path | None,
    share: float,
) -> dict[str, object]:
    """The arguments that make `load` read the data as this inspection did. share: of unusable images."""
    told = {
        "size": shape[-1] if resized and len(shape) == 3 and shape[1] == shape[2] else None,
        "resize": resize if resize != "crop" else None,
        "schema": schema,
        "data_dir": data_dir,
        "broken": math.ceil(100 * share) / 100 if BROKEN < share < 1 else None,
    }
    return {name: value for name, value in told.items() if value}


def _too_rare(balance: Sequence[Balance]) -> Iterator[str]:
    scarce = {f"{b.name}={value}": n for b in balance for value, n in b.counts.items() if 0 < n < FEW_EXAMPLES}
    if scarce:
        rarest = dict(sorted(scarce.items(), key=lambda each: each[1]))
        yield f"Too rare to be learned well, with fewer than {FEW_EXAMPLES} examples: {_with_counts(rarest)}."


def _hand_in_hand(together: CoOccurrence) -> Iterator[str]:
    strong = [a for a in together.associations if a.strength > STRONG]
    for a in strong[:NAMED]:
        yield f"{a.first} and {a.second} go together ({a.measure} {a.strength:.2f}): {a.sentence}"
    if len(strong) > NAMED:
        yield f"So do {len(strong) - NAMED:,} more pairs. A model learns that one brings the other along."


def _gaps(together: CoOccurrence) -> Iterator[str]:
    if together.absent:
        shown = "; ".join(p.request for p in together.absent[:NAMED])
        yield f"{_pairs(len(together.absent))} of values never occur though each is common: {shown}."
    if together.rare:
        shown = "; ".join(f"{p.request} ({p.n:,} of {p.expected:,.0f} expected)" for p in together.rare[:NAMED])
        yield f"{_pairs(len(together.rare))} of values are rare together; more examples would help: {shown}."


def _pairs(n: int) -> str:
    return "1 pair" if n == 1 else f"{n:,} pairs"


def _to_hold_out(chosen: Sequence[str], together: CoOccurrence) -> Iterator[str]:
    """A combination whose parts are learned well without it, so that holding it out tests composition."""
    for a in sorted(together.associations, key=lambda each: each.strength):
        if a.table and {a.first, a.second} <= set(chosen) and min(map(min, a.table)) >= FEW_EXAMPLES:
            yield (
                f"To test whether a model composes what it never saw together, keep one combination of {a.first} and "
                f"{a.second} out of training (`hold_out`): they are nearly independent, and each has "
                f"{min(map(min, a.table)):,} examples or more."
            )
            return
