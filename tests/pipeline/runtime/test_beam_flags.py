"""Beam's flags as the table has them, and as Beam itself takes them."""

import json

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import beam_flags, runners

_CLASS = "apache_beam.runners.portability.portable_runner.PortableRunner"


@pytest.mark.usefixtures("beam_of_the_table")
def test_the_table_is_what_the_installed_beam_declares():
    """`python launch_scripts/make_beam_flags.py` writes it anew."""
    table = json.loads(beam_flags.PATH.read_text(encoding="utf-8"))
    assert table == beam_flags.of_installed_beam()


def test_another_version_of_beam_is_asked_itself(monkeypatch, tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"beam": "2.0.0", "runners": {}, "flags": []}))
    monkeypatch.setattr(beam_flags, "PATH", path)
    beam_flags._table.cache_clear()
    try:
        given = beam_flags.read(["--direct_num_workers=3"])
    finally:
        beam_flags._table.cache_clear()
    assert given.direct_num_workers == 3


GOOD = [
    ["--direct_num_workers=3", "--direct_running_mode", "in_memory"],
    ["--experiments=a,b", "--experiment=c"],
    ["--no_pipeline_type_check", "--streaming"],
    ["--update_compatibility_version"],
    ['--sdk_harness_log_level_overrides={"a": "DEBUG"}'],
    ["--runner=PortableRunner", "--environment_type=LOOPBACK"],
    ["--runner=DataflowRunner", "--dry_run=True", "--project=p"],
    ["--runner=FlinkRunner", "--flink_version=2.0", "--flag_of_somebody=3"],
    ["--beam_plugin=a.b"],
]


@pytest.mark.parametrize("arguments", GOOD, ids=lambda given: given[0])
def test_flags_reach_beam_as_it_reads_them_itself(arguments):
    given = beam_flags.read(arguments)
    options = runners.parse_options(arguments).get_all_options()
    alone = PipelineOptions(arguments).get_all_options()
    ours = beam_flags.defaults(given)
    assert options == alone | ours


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("direct", "DirectRunner"),
        ("fnapirunner", "FnApiRunner"),
        ("FlinkRunner", "FlinkRunner"),
        (_CLASS, _CLASS),
    ],
)
def test_runners_by_any_name_that_beam_takes(name, known):
    assert beam_flags.read([f"--runner={name}"]).runner == known


def test_a_runner_by_a_short_name_gets_its_defaults():
    found = beam_flags.defaults(beam_flags.read(["--runner=direct"]))
    assert found["direct_running_mode"] == "multi_threading"


def test_text_that_the_user_gave_is_not_repeated():
    """Of all flags that take text, some may be secrets."""
    table = json.loads(beam_flags.PATH.read_text(encoding="utf-8"))
    secrets = [
        f"{flag['names'][0]}=s3cr3t"
        for flag in table["flags"]
        if flag["action"] in ("store", "append")
        and not flag.keys() & {"type", "choices", "nargs"}
        and flag["dest"] not in ("runner", "beam_plugins", "dry_run")
    ]
    assert len(secrets) > 50
    plain = ["--direct_num_workers=3", "--direct_running_mode=in_memory"]
    found = beam_flags.shown(beam_flags.read([*secrets, *plain, "--no_auth"]))
    assert "s3cr3t" not in str(found)
    assert len(found) >= len(secrets)
    assert found["direct_num_workers"] == "3"
    assert found["direct_running_mode"] == "in_memory"
    assert found["no_auth"] == "True"
    assert found["runner"] == "FnApiRunner"


WRONG = {
    "unknown": (["--no_such"], "unknown argument '--no_such'"),
    "a word": (["--runner=FlinkRunner", "word"], "unknown argument 'word'"),
    "a number": (["--direct_num_workers=x"], "invalid int value: 'x'"),
    "a choice": (["--direct_running_mode=z"], "in_memory"),
    "JSON": (["--transform_name_mapping={"], "invalid"),
    "no value": (["--temp_location"], "expected one argument"),
    "runner": (["--runner=Foo"], "FnApiRunner"),
    "dry run": (["--dry_run=True"], "maskbeam plan"),
    "a class": (["--runner=no_such_module.Runner"], "no_such_module"),
    "a function": (["--runner=os.system"], "os.system is no runner"),
    "a class of others": (["--runner=subprocess.Popen"], "Popen is no runner"),
    "no class": (["--runner=os.no_such"], "no_such"),
    "a secret": (["--s3_secret_acces_key=abc"], "'--s3_secret_acces_key': neither"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_flags_are_a_usage_error(case, capfd):
    arguments, words = WRONG[case]
    with pytest.raises(UsageError, match=words):
        runners.parse_options(arguments)
    assert capfd.readouterr().err == ""
