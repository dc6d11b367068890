"""Who may use how much of the bandwidth: max-min fair. Purely computational."""

from collections import Counter
from collections.abc import Mapping

from thresher.model.units import Bytes


def fair_shares(
    transfers: Mapping[str, str], limits: Mapping[str, Bytes | None], total: Bytes | None
) -> dict[str, Bytes | None]:
    """Divide what each source, and all of them together, may use among the transfers.

    Nobody can have more without somebody with as little or less having less still (max-min fairness). The transfers
    of one source are alike, so an equal part of its limit is the most that each can have; then what all may use is
    divided from the most modest on, and what one cannot use is left to the others.

    Args:
        transfers: the source of each.
        limits: bytes a second of each source; None, or no entry, for no limit.
        total: of all; None for no limit.

    Returns:
        Bytes a second of each; None for no limit.
    """
    number = Counter(transfers.values())
    most: dict[str, Bytes | None] = {}
    for transfer, source in transfers.items():
        limit = limits.get(source)
        most[transfer] = None if limit is None else Bytes(limit // number[source])
    if total is None:
        return most
    shares: dict[str, Bytes | None] = {}
    left = total
    for transfer, bound in sorted(most.items(), key=lambda item: (item[1] is None, item[1] or 0, item[0])):
        equal = left // (len(most) - len(shares))
        share = equal if bound is None else min(bound, equal)
        shares[transfer] = Bytes(share)
        left = Bytes(left - share)
    return shares
