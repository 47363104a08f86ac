"""What the package offers is listed, documented and there."""

import inspect

from revolve_ad import schedule


def test_every_listed_name_is_there_and_documented() -> None:
    assert sorted(schedule.__all__) == list(schedule.__all__)
    for name in schedule.__all__:
        offered = getattr(schedule, name)
        assert name == "Action" or inspect.getdoc(offered), name


def test_the_names_that_users_are_promised_are_listed() -> None:
    promised = "binomial mixed multilevel online store_all periodic none check draw"
    promised += (
        " to_checkpoint_schedules Counts Level Advance Record Reverse Save Restore Discard Action"
    )
    assert set(promised.split()) <= set(schedule.__all__)


def test_a_name_is_the_function_and_not_the_file_that_it_stands_in() -> None:
    for name in ("binomial", "mixed", "multilevel", "online", "streaming", "heterogeneous"):
        assert inspect.isfunction(getattr(schedule, name))
