"""Random datasets with a patient everywhere: refused or clean, never another error; and a fixed run of the fuzzer."""

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deidentification import CannotDeidentify, Option, Profile
from deidentification.errors import LeftOut
from tests.unit.deidentification.builders import SUBJECT, Bench
from tests.unit.deidentification.encoded_datasets import SECRETS, files
from tests.unit.deidentification.hostile import BASIC, seen

ROOT = Path(__file__).parents[3]
RUNS = 300
CLEANED = BASIC.model_copy(
    update={
        "options": BASIC.options
        | {Option.SAFE_PRIVATE, Option.PATIENT_CHARACTERISTICS, Option.DESCRIPTORS, Option.STRUCTURED_CONTENT}
        | {Option.GRAPHICS, Option.DEVICE}
    }
)


def outcome(content: bytes, profile: Profile) -> bytes | None:
    """The result's bytes, or None for a refusal; both without a secret."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            output = bench.written(content, profile)
        except (CannotDeidentify, LeftOut) as refusal:
            said = repr(refusal.args).encode()
            left = [path for path in bench.out.rglob("*") if path.is_file()]
            assert (seen(said, *SECRETS), left) == ([], [])
            return None
    assert seen(output, *SECRETS) == []
    assert b"zqvistg" not in output.lower()
    return output


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=files(), profile=st.sampled_from((BASIC, CLEANED)))
def test_random_datasets_are_clean_or_refused(content: bytes, profile: Profile) -> None:
    output = outcome(content, profile)
    if output is not None:
        data = pydicom.dcmread(BytesIO(output))
        assert data.PatientID == SUBJECT.participant
        assert data.SOPInstanceUID == SUBJECT.new_uid("1.2.826.0.19770411.3")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=files(), data=st.data())
def test_damaged_datasets_are_clean_or_refused(content: bytes, data: st.DataObject) -> None:
    """Bytes change, disappear or are inserted behind the identity that the gate needs to know."""
    start = content.index(b"1.2.826.0.19770411.2") + 20
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(start, len(damaged)))
        kind = data.draw(st.integers(0, 2))
        if kind == 0:
            damaged[at : at + 1] = bytes((data.draw(st.integers(0, 255)),))
        elif kind == 1:
            del damaged[at : at + data.draw(st.integers(1, 9))]
        else:
            damaged[at:at] = data.draw(st.binary(max_size=9))
    outcome(bytes(damaged), BASIC)


def test_the_fuzzer_finds_nothing_in_a_short_run(tmp_path: Path) -> None:
    """A fixed seed and number of runs of scripts/fuzz_deidentification.py, which looks further when it has time."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "scripts.fuzz_deidentification"),
            *(f"-runs={RUNS}", "-seed=7", f"-artifact_prefix={tmp_path}/"),
        ],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert f"Done {RUNS} runs" in done.stdout + done.stderr
