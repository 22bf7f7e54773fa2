"""How the page opens a model, as its manifest says."""

from tests.page_module import call


def test_a_manifest_may_name_no_options_at_all() -> None:
    """Bug: `"session": null`, which every other reader takes for none, stopped the page."""
    missing, null, named = call(
        "model", "sessionOptions", [[], [None], [{"optimization": "basic", "arena": False}]]
    )
    assert missing == null
    assert (null["graphOptimizationLevel"], null["enableCpuMemArena"]) == ("all", True)
    assert (named["graphOptimizationLevel"], named["enableCpuMemArena"]) == ("basic", False)
