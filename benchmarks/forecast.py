"""The burn-down forecast on recorded traffic, against what anyone would do without one.

    python -m benchmarks.forecast          needs no servers

Series: what each minute of three recorded hours cost (Azure code and conversation, Mooncake) at
2.50 and 10 USD a million tokens, minutes taken as days; the same with an office week laid over it,
with growth of two in a hundred a day, and with a day of tenfold spend. From every day after the
twentieth the rest of a thirty-day window is foreseen. Baselines: the last day goes on; the mean of
all days so far goes on (a straight line). Printed is the mean absolute error of the window's rest,
also against each baseline's on the same windows, and how often the truth lay in the band, which is
to be 80 in 100.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from apps.forecasting.domain.burn_down import forecast
from finops_platform.demo import traces

START: Final = date(2026, 1, 5)  # a Monday
WINDOW: Final = 30
FIRST: Final = 20
MINUTE: Final = 60_000_000
OFFICE: Final = tuple(Decimal(share) for share in ("1.2", "1.2", "1.2", "1.2", "1.1", "0.2", "0.2"))

Series = list[Decimal]


def main() -> None:
    shapes: dict[str, Callable[[Series], Series]] = {
        "as recorded": list,
        "office week": lambda one: [day * OFFICE[n % 7] for n, day in enumerate(one)],
        "growth": lambda one: [day * Decimal("1.02") ** n for n, day in enumerate(one)],
        "a spike": lambda one: [day * (10 if n == 17 else 1) for n, day in enumerate(one)],
    }
    for shape, changed in shapes.items():
        tried = [
            one for name in ("code", "conv", "mooncake") for one in backtest(changed(minutes(name)))
        ]
        print(f"forecast, {shape}: {shown(tried)}")
    took = timed(minutes("conv"))
    print(f"forecast, one window of seventy days of history: {took * 1e3:.1f} ms")


def minutes(name: str) -> Series:
    """Return what each whole minute of a trace cost, in USD."""
    trace = traces.mooncake() if name == "mooncake" else traces.azure(name)
    found = [Decimal(0)] * (trace.length // MINUTE)
    for request in trace.requests:
        minute = request.offset // MINUTE
        if minute < len(found):
            cost = request.input_tokens * Decimal("2.5") + request.output_tokens * 10
            found[minute] += cost / 1_000_000
    return found


@dataclass(frozen=True, slots=True)
class Tried:
    """One window: relative errors of the forecast and the baselines, and whether the band held."""

    ours: float
    last: float
    line: float
    others: float | None
    inside: bool | None


def backtest(spent: Series) -> Iterator[Tried]:
    for origin in range(FIRST, len(spent) - 5):
        ahead = min(WINDOW, len(spent)) - origin % WINDOW
        ahead = min(ahead, len(spent) - origin)
        if ahead >= 5:
            yield _try(spent, origin, ahead)


def _try(spent: Series, origin: int, ahead: int) -> Tried:
    past, truth = spent[:origin], sum(spent[origin : origin + ahead], Decimal(0))
    last = START + timedelta(days=origin - 1)
    history = {START + timedelta(days=n): amount for n, amount in enumerate(past)}
    end = forecast(history=history, through=last, until=last + timedelta(days=ahead)).end
    assert end is not None
    line = sum(past, Decimal(0)) / origin * ahead

    def off(guess: Decimal) -> float:
        return float(abs(guess - truth) / truth)

    inside = None
    if end.low is not None and end.high is not None:
        inside = end.low <= truth <= end.high
    return Tried(
        off(end.expected), off(past[-1] * ahead), off(line), _others(past, ahead, truth), inside
    )


def _others(past: Sequence[Decimal], ahead: int, truth: Decimal) -> float | None:
    """Return the error of statsforecast's AutoETS, where it is installed."""
    if importlib.util.find_spec("statsforecast") is None:
        return None
    import numpy
    from statsforecast.models import AutoETS

    found = AutoETS(season_length=7).forecast(numpy.array([float(one) for one in past]), ahead)
    return abs(float(found["mean"].sum()) - float(truth)) / float(truth)


def shown(tried: Sequence[Tried]) -> str:
    mean = statistics.fmean
    ours = mean(one.ours for one in tried)
    ratios = {
        "the last day": ours / mean(one.last for one in tried),
        "a straight line": ours / mean(one.line for one in tried),
    }
    others = [one.others for one in tried if one.others is not None]
    if others:
        ratios["AutoETS"] = ours / mean(others)
    against = ", ".join(f"{ratio:.2f} of {name}'s" for name, ratio in ratios.items())
    bands = [one.inside for one in tried if one.inside is not None]
    held = f"{sum(bands)} of {len(bands)}" if bands else "no band"
    return f"error {ours:.3f} ({against}) over {len(tried)} windows; truth in the band {held}"


def timed(spent: Series) -> float:
    longer = (spent + spent)[:70]
    history = {START + timedelta(days=n): amount for n, amount in enumerate(longer)}
    last = START + timedelta(days=69)
    begin = time.process_time()
    for _ in range(5):
        forecast(history=history, through=last, until=last + timedelta(days=20))
    return (time.process_time() - begin) / 5


if __name__ == "__main__":
    main()
