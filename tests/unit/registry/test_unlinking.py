"""The order of an anonymous project says nothing of the old one."""

from deidentification import BUILT_IN
from services.registry.anonymise import in_new_order
from services.registry.held import Held
from services.registry.unlinking import anonymous_profile


def held(participant: str, study: str, number: int) -> Held:
    return Held(participant, "baseline", study, f"{study}.1", f"{study}.1.{number}", f"anonymized/{study}/{number}.dcm")


def test_everybody_gets_a_number_of_their_own_in_an_order_of_chance() -> None:
    instances = [
        held(f"P{person:03}", f"1.{person}.{study}", n) for person in range(40) for study in (1, 2) for n in (1, 2)
    ]
    runs = []
    for _ in range(3):
        studies = in_new_order(instances)
        assert len(studies) == 80
        assert {study.participant for study in studies} == {f"ANON{number:04}" for number in range(1, 41)}
        assert all(len(paths) == 2 for study in studies for _, paths in study.series)
        owner = {paths[0].split(".")[1]: study.participant for study in studies for _, paths in study.series}
        assert len(set(owner.values())) == 40, "both studies of somebody are of the same number"
        runs.append((tuple(sorted(owner.items())), tuple(study.participant for study in studies)))
    assert len(set(runs)) == 3


def test_the_anonymous_profile_keeps_nothing_by_option() -> None:
    profile = anonymous_profile()
    assert not [option for option in profile.options if option.value.startswith("retain")]
    assert (profile.private, profile.uids) == ((), "keyed")
    assert profile.attributes == BUILT_IN["basic"].attributes
