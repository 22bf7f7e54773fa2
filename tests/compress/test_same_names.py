from kdc.compress.same_names import find_names


def test_a_name_is_a_class_in_other_case_only_where_that_leaves_no_doubt() -> None:
    """Bug: of `Alarm` and `alarm` the later one takes every `ALARM`."""
    classes = ["Alarm", "alarm", "Music"]
    assert find_names(["alarm", "Alarm", "ALARM"], classes) == {"alarm": 1, "Alarm": 0}
    assert find_names({"music", "MUSIC", "stop"}, classes) == {"music": 2, "MUSIC": 2}


def test_letters_that_lower_case_leaves_apart_are_one() -> None:
    """Bug: `STRASSE` is not found among `Straße`."""
    assert find_names(["STRASSE"], ["Straße"]) == {"STRASSE": 0}
