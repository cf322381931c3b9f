import json
from dataclasses import replace

from piapp.offline.evaluate.figures import markdown, report, scores, summarize, tables
from piapp.offline.evaluate.footage import Alarm
from tests.support.clips import clip, outcome


def counts(share):
    return share["count"], share["of"]


def test_falls_and_calm_clips_are_counted_apart():
    """Recall is of clips with a fall, false alarms are of the others; an hour's worth follows from their length."""
    found = [outcome(clip("a"), 1.0), outcome(clip("b")), outcome(clip("c", fall=False), 1.0, 2.0)]
    figures = summarize([*found, *(outcome(clip(f"d{i}", fall=False)) for i in range(9))])
    assert counts(figures["falls"]) == (1, 2)
    assert counts(figures["false_clips"]) == (1, 10)
    assert figures["calm_hours"] == 0.1
    assert figures["false_per_hour"] == 20.0


def test_a_fall_that_several_cameras_saw_counts_once():
    """It is found when half of the cameras found it."""
    one = [outcome(clip(name, group="a"), *alarms) for name, alarms in (("a", [1.0]), ("b", []), ("c", []))]
    other = [outcome(clip("d", group="d"), 1.0), outcome(clip("e", group="d"))]
    figures = summarize(one + other)
    assert counts(figures["falls_by_group"]) == (1, 2)
    assert figures["falls_by_group"]["any"] == 2


def test_lying_down_on_purpose_and_found_lying_have_their_own_counts():
    """They are in the totals, too."""
    lies = outcome(clip("a", fall=False, lies_down=True), 3.0)
    found_lying = replace(outcome(clip("b")), alarms=(Alarm(1.0, 1.0, found_lying=True),))
    figures = summarize([lies, found_lying])
    assert counts(figures["false_clips_lying_down"]) == counts(figures["false_clips"]) == (1, 1)
    assert counts(figures["falls"]) == (0, 1)
    assert counts(figures["found_lying"]["falls_or_found"]) == (1, 1)


def test_delays_count_from_the_impact():
    """Only of found falls whose impact somebody labelled."""
    fall = clip(onset_s=1.0, impact_s=2.0)
    found = [outcome(fall, 2.5), outcome(fall, 3.5), outcome(fall), outcome(clip(), 9.0)]
    assert summarize(found)["delay_s"] == {"of": 2, "p50": 1.0, "p90": 1.5}
    assert summarize([outcome(fall)])["delay_s"] is None


def test_flips_are_counted_by_kind_and_in_all():
    """A flip is an answer in a copy that the clip itself did not get."""
    found = [
        outcome(clip(), 1.0, copies=(("noise", True), ("shifted", False))),
        outcome(clip(fall=False), copies=(("noise", True), ("shifted", False))),
    ]
    flips = summarize(found)["flips"]
    assert {kind: counts(share) for kind, share in flips.items()} == {"noise": (1, 2), "shifted": (1, 2), "all": (2, 4)}
    assert summarize([outcome(clip())])["flips"] == {}


def test_tables_are_plain_values_by_footage_view_and_kind():
    """They can be written as JSON, and hold the trade-off."""
    found = [outcome(clip(), 1.0, score=0.8), outcome(clip(fall=False, footage="hall", view="low", kind="sit"), 1.0)]
    figures = json.loads(json.dumps(tables(found)))
    assert (set(figures["footage"]), set(figures["view"]), set(figures["kind"])) == (
        {"home", "hall"}, {"level", "low"}, {"home: fall", "hall: sit"},
    )  # fmt: skip
    assert figures["trade_off"] == [
        {"threshold": 0.8, "recall": 1.0, "false": 1.0},
        {"threshold": 1.0, "recall": 0.0, "false": 1.0},
    ]
    assert scores(found) == ([0.8], [1.0])


def test_people_see_each_share_with_its_interval():
    """In the text report and in Markdown."""
    fall = clip(onset_s=1.0, impact_s=2.0)
    figures = tables([outcome(fall, 2.5, copies=(("noise", False),)), outcome(clip(fall=False))])
    text = "\n".join(report(figures))
    assert "1 of 1 (21 to 100 %)" in text
    assert "answers that change in perturbed copies" in text
    head, rule, row = markdown(figures)
    assert head.startswith("| footage | falls found |")
    assert (
        row
        == "| home | 1 of 1 (21 to 100 %) | 1 of 1 (21 to 100 %) | 0 of 1 (0 to 79 %) | 0 | +0.5 s, +0.5 s | 100 % |"
    )
    assert rule.count("|") == head.count("|")


def test_postures_are_shares_of_the_frames_in_which_somebody_is_seen():
    """Over all clips of the group."""
    found = [outcome(clip(), postures={"standing": 60, "lying": 20}), outcome(clip(), postures={"standing": 20})]
    assert summarize(found)["postures"] == {"standing": 0.8, "lying": 0.2}
    assert "standing 80 %, lying 20 %" in "\n".join(report(tables(found)))


def test_every_clips_alarms_are_given():
    """So that two runs can be compared clip by clip."""
    answers = tables([outcome(clip("a"), 1.234, score=0.5), outcome(clip("b", fall=False))])["answers"]
    assert answers == {"home/a": [{"at_s": 1.23, "score": 0.5, "found_lying": False}], "home/b": []}
