"""Writes the tables of `docs/accuracy.md` from what `piapp evaluate --json` wrote.

A table stands between two comments, `<!-- table: NAMES FORM -->` and `<!-- end of table -->`; NAMES are files
`docs/accuracy/NAME.json`, with commas between them, and FORM is one of `FORMS`. Run:
`python -m tests.footage.page docs/accuracy.md`. It also writes `piapp/config/fall_rates.json`, which goes with
the package.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from piapp.offline.evaluate.figures import markdown, share_text

_STRANGE = ("implausible", "implausible_sure")
_TABLE = re.compile(r"(<!-- table: (\S+) (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

# Measured with each value of `posture.fall_sensitivity`; the package has the figures with it.
SENSITIVITIES = ("low", "normal", "high")
RATES_FILE = Path("piapp/config/fall_rates.json")

# Most calm clips in which a setting may be wrong, to be chosen for a set that is left out.
_FALSE_SHARE = 0.01

_CALM_FIRST = ("standing", "sitting", "lying", "bending", "squatting", "kneeling", "unknown")


def by_footage(figures: dict[str, Any]) -> Iterator[str]:
    """Falls, false alarms and delays of each set, and of all."""
    yield from markdown({"footage": figures["footage"] | {"all": figures["total"]}})


def by_kind(figures: dict[str, Any]) -> Iterator[str]:
    """Falls found by kind of fall."""
    yield from _rows(("kind of fall", "falls found"), _falls(figures["kind"]))


def by_view(figures: dict[str, Any]) -> Iterator[str]:
    """Falls found by the camera's view, of views with at least five."""
    enough = {view: row for view, row in figures["view"].items() if row["falls"]["of"] >= 5}
    yield from _rows(("view", "falls found"), _falls(enough))


def calm(figures: dict[str, Any]) -> Iterator[str]:
    """Lying down on purpose, counted apart, and alarms taken back."""
    total = figures["total"]
    lying = total["false_clips_lying_down"]
    others = {key: total["false_clips"][key] - lying[key] for key in ("count", "of")}
    rows = [
        ("calm clips in which somebody lies down on purpose: with a false fall", share_text(lying)),
        ("all other calm clips: with a false fall", share_text(others)),
        ("clips with a reported fall: taken back by `recovered` with `up_at_once`", share_text(total["taken_back"])),
    ]
    yield from _rows(("what", "how often"), rows)


def postures(figures: dict[str, Any]) -> Iterator[str]:
    """How often each posture was found, by what calm clips show, in sets with known activities."""
    kinds = {k: r for k, r in figures["kind"].items() if not r["falls"]["of"] and k.startswith(("corner", "upfall"))}
    names = [name for name in _CALM_FIRST if any(name in row["postures"] for row in kinds.values())]
    rows = [(kind, *(f"{100 * row['postures'].get(name, 0):.0f} %" for name in names)) for kind, row in kinds.items()]
    yield from _rows(("clips", *names), rows)


def flips(figures: dict[str, Any]) -> Iterator[str]:
    """How often an answer changes in a changed copy."""
    rows = [(kind, share_text(share)) for kind, share in figures["total"]["flips"].items()]
    yield from _rows(("change", "answers that change"), rows)


def seeing(figures: dict[str, Any]) -> Iterator[str]:
    """How steadily people are seen in each footage."""
    rows = []
    for name, row in figures["footage"].items():
        seen, found = row["frames_seen"], row["seeing"]
        shares = (f"{100 * found[kind]['count'] / max(1, found[kind]['of']):.1f} %" for kind in _STRANGE)
        frames = f"{100 * seen['count'] / seen['of']:.1f} %"
        changed = share_text(row["flips"]["all"]) if row["flips"] else "-"
        answers = (share_text(row["falls"]), share_text(row["false_clips"]), changed)
        rows.append((name, frames, str(found["gaps"]), str(found["short_gaps"]), *shares, *answers))
    head = (
        "footage",
        "frames with somebody",
        "gaps",
        "of one frame",
        "impossible bones",
        "of those taken for movement",
    )
    yield from _rows((*head, "falls found", "clips with a false fall", "answers that change in copies"), rows)


def parts(*runs: dict[str, Any]) -> Iterator[str]:
    """Several runs on the same clips, each with other parts of the search; "part" says which."""
    rows = []
    for figures in runs:
        total, found = figures["total"], [row["seeing"] for row in figures["footage"].values()]
        strange, poses = (sum(each["implausible"][key] for each in found) for key in ("count", "of"))
        rows.append(
            (
                figures["part"],
                f"{100 * total['frames_seen']['count'] / total['frames_seen']['of']:.1f} %",
                *(str(sum(each[key] for each in found)) for key in ("gaps", "short_gaps")),
                f"{100 * strange / max(1, poses):.1f} %",
                share_text(total["falls"]),
            )
        )
    head = ("what is on", "frames with somebody", "gaps", "of one frame", "impossible bones", "falls found")
    yield from _rows(head, rows)


def worse(*runs: dict[str, Any]) -> Iterator[str]:
    """Several runs on the same clips, each with pictures made worse in another way or measure."""
    rows = []
    for figures in runs:
        total = figures["total"]
        seen = 100 * total["frames_seen"]["count"] / total["frames_seen"]["of"]
        shares = (share_text(total["falls"]), share_text(total["false_clips"]))
        rows.append((figures["degrade"] or "as they are", f"{seen:.0f} %", *shares))
    yield from _rows(("pictures", "frames in which somebody is seen", "falls found", "clips with a false fall"), rows)


def left_out(*runs: dict[str, Any]) -> Iterator[str]:
    """Each set with the sensitivity that the other sets choose; the runs are those of `SENSITIVITIES`."""
    by_setting = dict(zip(SENSITIVITIES, runs, strict=True))
    rows = []
    for name in runs[0]["footage"]:
        setting = _chosen_without(name, by_setting)
        row = by_setting[setting]["footage"][name]
        shares = (row["falls"], row["falls_by_group"], row["false_clips"])
        rows.append((name, setting, *(share_text(share) if share["of"] else "-" for share in shares)))
    yield from _rows(("footage", "chosen", "falls found", "each fall once", "clips with a false fall"), rows)


def _chosen_without(name: str, by_setting: dict[str, dict[str, Any]]) -> str:
    """Of the settings with at most 1 % false clips elsewhere, the one that finds most there; else the lowest."""

    def elsewhere(setting: str, key: str) -> dict[str, int]:
        total, own = by_setting[setting]["total"][key], by_setting[setting]["footage"][name][key]
        return {part: total[part] - own[part] for part in ("count", "of")}

    def quiet(setting: str) -> bool:
        false = elsewhere(setting, "false_clips")
        return false["count"] <= _FALSE_SHARE * false["of"]

    quiet_ones = [setting for setting in by_setting if quiet(setting)] or [SENSITIVITIES[0]]
    return max(quiet_ones, key=lambda setting: elsewhere(setting, "falls")["count"])


FORMS: dict[str, Callable[..., Iterator[str]]] = {
    "footage": by_footage,
    "kind": by_kind,
    "view": by_view,
    "calm": calm,
    "postures": postures,
    "flips": flips,
    "seeing": seeing,
    "parts": parts,
    "worse": worse,
    "left_out": left_out,
}


def fill(page: str, folder: Path) -> str:
    """The page with each of its tables made anew."""

    def table(match: re.Match[str]) -> str:
        files = (folder / f"{name}.json" for name in match[2].split(","))
        runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        return match[1] + "\n".join(FORMS[match[3]](*runs)) + "\n" + match[4]

    return _TABLE.sub(table, page)


def _falls(rows: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, share_text(row["falls"])) for name, row in rows.items() if row["falls"]["of"]]


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def fall_rates(folder: Path) -> dict[str, dict[str, int]]:
    """What the owner's page shows beside `posture.fall_sensitivity`: found falls and false alarms of each value."""
    rates = {}
    for name in SENSITIVITIES:
        total = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["total"]
        falls, false = total["falls"], total["false_clips"]
        rates[name] = {"falls_found": falls["count"], "falls": falls["of"]}
        rates[name] |= {"false_alarms": false["count"], "calm_clips": false["of"]}
    return rates


if __name__ == "__main__":
    path = Path(sys.argv[1])
    RATES_FILE.write_text(json.dumps(fall_rates(path.with_suffix("")), indent=2) + "\n", encoding="utf-8")
    path.write_text(fill(path.read_text(encoding="utf-8"), path.with_suffix("")), encoding="utf-8")
