"""Money: integers of nano-euro (1e-9 EUR) inside, `Decimal` and text at the edge, never a float."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

NANO_PER_EURO = 1_000_000_000
# Largest amount that a BigIntegerField holds, in nano-euro: some 9.2 thousand million EUR.
MAX_NANO = 2**63 - 1


def euro_to_nano(euro: Decimal | int) -> int:
    """Nano-euro of an amount in EUR.

    Raises `TypeError` for a float and `ValueError` for what is no number, is finer than a nano-euro or is too large.
    """
    if not isinstance(euro, Decimal | int):
        raise TypeError("An amount in EUR is a Decimal or an int.")
    amount = Decimal(euro)
    if not amount.is_finite() or abs(amount) > MAX_NANO // NANO_PER_EURO:
        raise ValueError("Not an amount of money.")
    numerator, denominator = amount.as_integer_ratio()
    nano, rest = divmod(numerator * NANO_PER_EURO, denominator)
    if rest:
        raise ValueError("An amount has at most nine decimals.")
    return nano


def nano_to_euro(nano: int) -> Decimal:
    """The exact amount in EUR of `nano` nano-euro, without needless zeros: 650000000 is 0.65."""
    with localcontext() as context:
        context.prec = 40
        euro = Decimal(nano) / NANO_PER_EURO
        # normalize() alone would write 100 as 1E+2.
        return euro.quantize(Decimal(1)) if euro == euro.to_integral_value() else euro.normalize()


def format_euro(nano: int, decimals: int | None = None) -> str:
    """`nano` nano-euro as people read it: `€1,234.50`, `-€0.000123`.

    Exact with at least two decimals, or rounded half away from zero to `decimals` (at most nine).
    """
    euro = abs(nano_to_euro(nano))
    if decimals is None:
        exponent = euro.as_tuple().exponent
        decimals = max(2, -exponent if isinstance(exponent, int) else 2)
    with localcontext() as context:
        context.prec = 40
        rounded = euro.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    sign = "-" if nano < 0 and rounded else ""
    return f"{sign}€{rounded:,f}"
