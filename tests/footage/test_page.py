import json
from pathlib import Path

from tests.footage.page import FORMS, fill, left_out

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"


def test_the_pages_tables_are_those_of_the_committed_figures():
    """Nobody wrote a figure by hand: the page filled anew is the page."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- table:") == page.count("<!-- end of table -->") >= 5
    assert fill(page, PAGE.with_suffix("")) == page


def test_the_figures_are_of_clips_of_the_manifest():
    """As many as they say, each of them a clip that the manifest names, counted once in the tables."""
    manifest = json.loads((Path(__file__).parent / "manifest.json").read_text(encoding="utf-8"))
    known = {f"{name}/{clip['name']}" for name, footage in manifest.items() for clip in footage["clips"]}
    for file in PAGE.with_suffix("").glob("*.json"):
        figures = json.loads(file.read_text(encoding="utf-8"))
        assert set(figures["answers"]) <= known
        assert len(figures["answers"]) == figures["clips"] == len(known) - figures["absent"]
        assert figures["total"]["falls"]["of"] + figures["total"]["false_clips"]["of"] == figures["clips"]


def test_the_figures_of_parts_of_the_footage_are_of_known_clips():
    """Those in folders: of some sets, or of pictures made worse."""
    manifest = json.loads((Path(__file__).parent / "manifest.json").read_text(encoding="utf-8"))
    known = {f"{name}/{clip['name']}" for name, footage in manifest.items() for clip in footage["clips"]}
    files = list(PAGE.with_suffix("").glob("*/*.json"))
    assert files
    for file in files:
        figures = json.loads(file.read_text(encoding="utf-8"))
        assert set(figures["answers"]) <= known
        assert len(figures["answers"]) == figures["clips"] > 0


def test_a_changed_figure_is_noticed(tmp_path):
    """A table by hand is replaced by the true one."""
    share = {"count": 1, "of": 2}
    (tmp_path / "x.json").write_text(json.dumps({"kind": {"home: trip": {"falls": share}}}))
    page = "<!-- table: x kind -->\n| home: trip | 2 of 2 |\n<!-- end of table -->"
    assert "| home: trip | 1 of 2 (9 to 91 %) |" in fill(page, tmp_path)
    assert "2 of 2" not in fill(page, tmp_path)
    assert set(FORMS) >= {"footage", "kind"}


def _run(found: dict[str, int], wrong: dict[str, int]) -> dict:
    """Figures of sets of a hundred falls and as many calm clips."""
    rows = {
        name: {
            "falls": {"count": found[name], "of": 100},
            "falls_by_group": {"count": found[name], "of": 100},
            "false_clips": {"count": wrong[name], "of": 100},
        }
        for name in found
    }
    total = {
        key: {part: sum(row[key][part] for row in rows.values()) for part in ("count", "of")}
        for key in ("falls", "false_clips")
    }
    return {"footage": rows, "total": total}


def test_a_set_that_is_left_out_does_not_choose_its_setting():
    """The quietest setting for a set whose own clips would allow the one that finds most, and the other way about."""
    low = _run({"home": 50, "shop": 60}, {"home": 0, "shop": 0})
    normal = _run({"home": 70, "shop": 70}, {"home": 0, "shop": 3})
    high = _run({"home": 90, "shop": 80}, {"home": 0, "shop": 9})
    assert [row.split(" | ")[:3] for row in list(left_out(low, normal, high))[2:]] == [
        ["| home", "low", "50 of 100 (40 to 60 %)"],
        ["| shop", "high", "80 of 100 (71 to 87 %)"],
    ]
