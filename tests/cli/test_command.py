"""The command does what it says, and says what is wrong."""

import pathlib
import subprocess
import sys

import pytest

import revolve_ad
from revolve_ad.cli import main
from revolve_ad.cli.shipped import example
from revolve_ad.schedule import binomial

ROOT = pathlib.Path(__file__).parents[2]

PROBLEM = """
import numpy as np
import revolve_ad as ra

def problem():
    sim = ra.Simulation(lambda u, rate, k: u + 0.1 * rate * np.sin(u), steps=30)
    return sim, np.ones(10), 0.3

def nothing():
    return 3
"""


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "my_problem.py"
    path.write_text(PROBLEM)
    return path


def test_plan_forecasts_no_more_than_the_binomial_optimum(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = ["--steps", "1000", "--state", "1 MB", "--memory", "20 MB", "--other", "5 MB"]
    assert main(["plan", *numbers]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    (row,) = [row for row in rows if row[:2] == ["20", "MB"]]
    # 20 MB less 5 MB less the tape of one step.
    counts = binomial(1000, 14).counts()
    assert 1 < float(row[6]) <= (counts.advanced + counts.recorded) / 1000 + 0.0005


def test_plan_with_times_forecasts_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ["--steps", "100", "--state", "8 kB", "--memory", "1 GB", "--step-seconds", "0.5"]
    assert main(["plan", *numbers]) == 0
    # Everything fits: each step is recorded and reversed once, at three times a plain step.
    assert "150" in capsys.readouterr().out


def test_plan_takes_several_storages_the_fastest_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = ["--steps", "100000", "--state", "2 GB", "--memory", "64 GB", "--other", "0"]
    disks = ["--step-seconds", "0.4", "--disk", "100 GB", "any"]
    assert main(["plan", *numbers, *disks, "--write-bandwidth", "4 GB/s", "200 MB/s"]) == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert ["disk", "50", "50", "50"] in rows
    assert "(50 on disk, " in printed
    assert main(["plan", *numbers, *disks, "--write-bandwidth", "4 GB/s"]) == 2
    assert "--disk" in capsys.readouterr().err


def test_plan_uses_a_disk_that_is_worth_it_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = ["--steps", "10000", "--state", "2 GB", "--memory", "64 GB", "--other", "0"]
    times = ["--step-seconds", "0.4", "--adjoint-seconds", "0.8"]
    assert main(["plan", *numbers, *times, "--write-bandwidth", "1 GB/s"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "written to disk 2 s" in text
    assert "streaming: a checkpoint goes to disk every" in text
    assert main(["plan", *numbers, *times, "--write-bandwidth", "10 MB/s"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "mixed: all 10,000 tapes would take 20 TB" in text
    assert "With the disk it would take" in text


def test_plan_of_an_unknown_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--max-steps", "500", "--state", "1 MB", "--memory", "60 MB"]) == 0
    assert "the number of steps isn't known before the run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "100", "--state", "1 MB", "--memory", "2 MB"], "smallest budget"),
        (["--steps", "100", "--state", "1 ZB"], "--state is '1 ZB'"),
        (["--steps", "0", "--state", "1 MB"], "--steps is 0"),
        (["--max-steps", "0", "--state", "1 MB"], "--max-steps is 0"),
        (["--steps", "9", "--state", "1 MB", "--disk", "9 MB"], "--write-seconds or --write-band"),
        (["--steps", "9", "--state", "1 MB", "--write-seconds", "1"], "--step-seconds isn't given"),
        (["--steps", "100", "--state", "0"], "--state is 0"),
    ],
)
def test_plan_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_compare_measures_a_users_simulation(
    file: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = file.with_suffix(".png")
    arguments = [f"{file}:problem", "--repeats", "1", "--memory", "2 kB", "--memory", "9 kB"]
    assert main(["compare", *arguments, "--figure", str(picture)]) == 0
    assert "bit for bit" in capsys.readouterr().out
    assert picture.stat().st_size > 1000
    assert str(file.parent) not in sys.path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_problem.py", "FILE.py:FUNCTION"),
        ("missing.py:problem", "no file"),
        ("{}:absent", "no function 'absent'"),
        ("{}:nothing", "returned int"),
    ],
)
def test_compare_says_what_is_wrong(
    target: str, message: str, file: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", target.format(file)]) == 2
    assert message in capsys.readouterr().err


def test_the_version_and_a_wrong_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == revolve_ad.__version__
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2


def test_the_demonstration_runs_the_examples_themselves() -> None:
    for name in ("01_lynx_hare", "02_heat_conductivity"):
        assert (
            pathlib.Path(example(name).__file__).read_text()
            == (ROOT / "examples" / f"{name}.py").read_text()
        )


def test_the_demonstration_fits_draws_and_measures(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "revolve_ad.cli", "demo"]
    command += ["--output", str(tmp_path), "--iterations", "3", "--cells", "40"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "BAD" not in done.stdout
    for text in ("forecast", "measured", "iteration 1", "recomputation", "in all"):
        assert text in done.stdout
    pictures = {file.name for file in tmp_path.iterdir()}
    assert pictures == {"fit_lynx_hare.png", "heat_conductivity.png", "memory_over_time.png"}
