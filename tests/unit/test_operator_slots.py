from thresher.operator.imports.slots import Slots


def make(limit: int) -> tuple[Slots, list[str]]:
    woken: list[str] = []
    return Slots(limit, woken.append), woken


def test_no_more_than_the_limit_run() -> None:
    slots, _ = make(2)
    assert [slots.ask(uid, "ns", uid) for uid in "abc"] == [True, True, False]
    assert (slots.running, slots.waiting) == (2, 1)


def test_who_holds_a_slot_keeps_it() -> None:
    slots, _ = make(1)
    assert slots.ask("a", "ns", "1")
    assert slots.ask("a", "ns", "1")
    assert slots.running == 1


def test_a_slot_that_is_given_back_goes_to_the_oldest_and_wakes_it() -> None:
    slots, woken = make(1)
    slots.ask("a", "ns", "1")
    slots.ask("young", "ns", "3")
    slots.ask("old", "ns", "2")
    slots.give_back("a")
    assert woken == ["old"]
    assert slots.ask("old", "ns", "2")
    assert not slots.ask("young", "ns", "3")


def test_namespaces_take_turns() -> None:
    slots, woken = make(1)
    slots.ask("first", "big", "0")
    for number in range(3):
        slots.ask(f"big-{number}", "big", f"1{number}")
    slots.ask("small-0", "small", "9")
    for uid in ("first", "small-0", "big-0"):
        slots.give_back(uid)
    assert woken == ["small-0", "big-0", "big-1"]


def test_transfers_of_an_earlier_process_count_even_above_the_limit() -> None:
    slots, _ = make(1)
    slots.take("a")
    slots.take("b")
    assert not slots.ask("c", "ns", "1")
    slots.give_back("a")
    assert not slots.ask("c", "ns", "1")


def test_who_gives_up_waiting_gets_nothing() -> None:
    slots, woken = make(1)
    slots.ask("a", "ns", "1")
    slots.ask("b", "ns", "2")
    slots.give_back("b")
    slots.give_back("a")
    assert woken == []
    assert slots.running == 0
