"""Numbers as people read them."""


def exact(value: int) -> str:
    """Every digit, in groups of three: '62,378,344'."""
    return f"{value:,}"


def count(number: int, noun: str = "picture") -> str:
    """'1 picture', '1,200 pictures', '2 classes'."""
    return f"{exact(number)} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"


def short(value: float) -> str:
    """Four digits and a unit: '1.135 G', '568.7 M', '416'."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{scaled:.{3 if scaled < 10 else 2 if scaled < 100 else 1}f} {unit}"
    return f"{value:g}"


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 as '61 %', or with more digits '61.4 %'."""
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """'0.4 s', '33 s', '2 min 5 s', '1 h 3 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def memory(value: float) -> str:
    """Bytes with a binary unit: '527.8 MiB'."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:g} B"


def show_size(size: tuple[int, ...]) -> str:
    """Write a size as people read it: '227×227×3'."""
    return "×".join(f"{part:,}" if part > 9999 else str(part) for part in size)
