"""Weak sets that may grow while somebody goes through them."""
from thalweg.runtime.living import Living


class Item:
    pass


def test_what_is_added_meanwhile_harms_nobody():
    living, kept = Living(), [Item() for _ in range(3)]
    for item in kept:
        living.add(item)
    seen = []
    for item in living:
        seen.append(item)
        kept.append(Item())
        living.add(kept[-1])
    assert seen == kept[:3] and list(living) == kept


def test_what_nobody_keeps_is_gone():
    living, kept = Living(), [Item(), Item()]
    for item in kept:
        living.add(item)
    del item, kept[0]
    assert list(living) == kept
    living.add(kept[0])
    assert list(living) == kept                          # once
