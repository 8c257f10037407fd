"""Settings: merged in a known order, refused in one line that says how to mend them."""

from typing import Literal

import pydantic
import pytest

from pfc_da.errors import InputError
from pfc_da.settings import (
    NETWORKS,
    RULES,
    BPTTSettings,
    LSTMNetworkSettings,
    RateNetworkSettings,
    RunSettings,
    ThreeFactorSettings,
    TrainSettings,
    get_groups,
    resolve,
    setting,
)


def given(*sets, config_file=None, layers=()):
    return resolve([{"paradigm": "bandit"}, *layers], config_file=config_file, sets=sets)


def test_later_sources_win_and_leave_the_rest_alone(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("train: {updates: 3, sessions: 30}\nanimals: 3\n")
    layers = [
        {"train": {"updates": 1, "sessions": 10, "checkpoint_every": 7}, "animals": 1},
        {"train": {"updates": 2}, "animals": 2},
    ]
    assert given(layers=layers).train.updates == 2
    assert given(layers=layers, config_file=file).train.updates == 3
    settings = given("train.updates=4", "train.updates=5", layers=layers, config_file=file)
    assert settings.train == TrainSettings(updates=5, sessions=30, checkpoint_every=7)
    assert settings.animals == 3
    assert settings.network == RateNetworkSettings()
    assert layers[0]["train"]["updates"] == 1  # what was given is not changed


def test_settings_survive_json_and_cannot_be_changed():
    settings = given("rule.learning_rate=3e-4", "task.arms=independent", "network.tau_max=2.5")
    assert RunSettings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.train.updates = 3


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("1e-4", "learning_rate", 1e-4),  # text in YAML 1.1
        ("1E-4", "learning_rate", 1e-4),
        ("1", "learning_rate", 1.0),
        ("random", "feedback_weights", "random"),
        (" random ", "feedback_weights", "random"),
    ],
)
def test_values_on_the_command_line_have_the_type_of_their_setting(text, name, value):
    found = getattr(given(f"rule.{name}={text}").rule, name)
    assert found == value
    assert type(found) is type(value)


def test_quick_is_yes_or_no():
    assert not given().quick and given("quick=true").quick
    with pytest.raises(InputError, match="setting 'quick': got 1; it should be a valid boolean"):
        given("quick=1")


def test_exponents_are_numbers_in_a_file_too(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("rule: {learning_rate: 1e-4}\ntrain: {updates: 20}\n")
    assert given(config_file=file).rule.learning_rate == 1e-4


def test_whole_numbers_may_be_written_as_decimals_and_exponents():
    assert given("train.updates=1e3").train.updates == 1000
    assert given("train.updates=20.0").train.updates == 20


@pytest.mark.parametrize(
    "text, words",
    [
        # names
        (
            "netwrok.kind=rate",
            r"^no setting 'netwrok'\. Did you mean 'network'\? There are: animals, dopamine, files, network, ",
        ),
        (
            "network.unts=8",
            r"^no setting 'network\.unts'\. Did you mean 'network\.n_units'\? .*network\.tau_max",
        ),
        ("updates=8", r"^no setting 'updates'\. Did you mean 'train\.updates'\?"),
        ("rule.zzz=8", r"^no setting 'rule\.zzz'\. There are: rule\."),
        (
            "network.kind=gru",
            r"^setting 'network\.kind': got 'gru'; it should be 'rate' or 'lstm', or a \.py file\.$",
        ),
        (
            "network.kind=",
            r"^setting 'network\.kind': got None; it should be 'rate' or 'lstm', or a \.py file\.$",
        ),
        (
            "rule.kind=[bptt]",
            r"^setting 'rule\.kind': got \['bptt'\]; it should be 'three-factor' or 'bptt', or a \.py file\.$",
        ),
        (
            "rule.kind=three_factor",
            r"^setting 'rule\.kind': .* or 'bptt', or a \.py file\. Did you mean 'three-factor'\?$",
        ),
        # ranges, with their units
        ("network.n_units=2", r"\(units, recurrent units\): got 2; it must be 4 to 4096\.$"),
        (
            "network.tau_min=-1",
            r"\(s, shortest synaptic time constant\): got -1; it must be 0\.01 to 100\.$",
        ),
        (
            "network.fraction_excitatory=80",
            r"\(fraction of units, excitatory units\): got 80; it must be above 0, below 1\.$",
        ),
        ("rule.max_norm=0", r"got 0; it must be above 0, at most 1000000\.$"),
        ("rule.learning_rate=nan", r"got 'nan'; it should be a finite number"),
        ("rule.learning_rate=.inf", r"got inf; it should be a finite number"),
        # kinds
        ("train.updates=3.5", r"\(updates, weight updates\): got 3\.5; it should be a valid integer"),
        ("train.updates=many", r"got 'many'; it should be a valid integer"),
        ("train.updates=", r"got None; it should be a valid integer"),
        ("train.updates=true", r"got True; it should be a number or a name, not true or false"),
        ("rule.learning_rate=yes", r"got True; it should be a number or a name"),
        ("network.curve=off", r"got False; it should be a number or a name"),
        ("network=rate", r"^setting 'network': got 'rate'; it is a group .* such as network\.NAME=VALUE\.$"),
        ("task=3", r"^setting 'task': got 3; it is a group of settings"),
        # what does not fit together
        ("network.tau_max=0.05", r"'network': tau_max must be at least tau_min \(0\.1 s\), got 0\.05 s\.$"),
        ("replay.sessions=9", r"'replay': unit_sessions must be at most sessions \(9\), got 10\.$"),
        ("replay.bin=0.055", r"'replay': bin must be a multiple of 0\.01 s, got 0\.055\.$"),
        ("train.slowest=0.4", r"'train': slowest must be at least fastest \(0\.45\), got 0\.4\.$"),
        (
            "network.fraction_excitatory=0.999",
            r"at least one excitatory and one inhibitory unit of 128, got 0\.999",
        ),
        # the text itself
        ("train.updates", r"^--set needs KEY=VALUE, such as train\.updates=500, got 'train\.updates'\.$"),
        ("=3", r"^--set needs KEY=VALUE"),
    ],
)
def test_bad_settings_are_reported_in_one_line(text, words):
    with pytest.raises(InputError, match=words) as caught:
        given(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, words",
    [
        ("train: {updates: 3", r"mine\.yaml is not YAML: .*line 1"),
        ("- updates", r"mine\.yaml must map names of settings to values"),
        ("3: 4", r"mine\.yaml must map names of settings to values"),
        ("train: {updates: true}", r"'train\.updates' .*got True"),
        ("train: {updates: '3.5'}", r"'train\.updates' .*got '3\.5'; it should be a valid integer"),
        ("train: [1, 2]", r"'train': got \[1, 2\]; it is a group of settings"),
        (
            "train:\n  updates: 3\n  sesions: 4",
            r"no setting 'train\.sesions'\. Did you mean 'train\.sessions'\?",
        ),
    ],
)
def test_bad_files_are_reported_in_one_line(content, words, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        given(config_file=file)
    assert "\n" not in str(caught.value)
    assert file.read_text() == content


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the settings .*none\.yaml: No such file"):
        given(config_file=tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder, not a file"):
        given(config_file=tmp_path)
    (tmp_path / "raw.yaml").write_bytes(b"\xff\xfe\x00train")
    with pytest.raises(InputError, match=r"raw\.yaml is not YAML"):
        given(config_file=tmp_path / "raw.yaml")


def test_an_empty_file_sets_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert given(config_file=tmp_path / "empty.yaml") == given()


KINDS = [("network.kind=lstm",), ("rule.kind=bptt",), ("rule.kind=bptt", "network.kind=lstm")]


@pytest.mark.parametrize("sets", KINDS)
def test_a_kind_has_its_own_defaults_however_it_is_asked_for(sets, tmp_path):
    settings = given(*sets)
    assert settings.network == LSTMNetworkSettings()
    assert settings.rule == BPTTSettings()
    assert (settings.train.updates, settings.train.sessions, settings.train.whole_from) == (800, 64, 0.5)
    file = tmp_path / "mine.yaml"
    file.write_text("".join(f"{text.replace('.', ': {').replace('=', ': ')}}}\n" for text in sets))
    assert given(config_file=file) == settings
    asked = {text.split(".")[0]: {"kind": text.split("=")[1]} for text in sets}
    assert resolve([{"paradigm": "bandit"}], options=asked) == settings


def test_backpropagation_trains_the_rate_network_if_both_are_asked_for():
    settings = given("rule.kind=bptt", "network.kind=rate")
    assert (settings.network, settings.rule) == (RateNetworkSettings(), BPTTSettings())


def test_a_layer_that_names_a_kind_speaks_of_that_kind_only(tmp_path):
    layers = [{"network": {"critic": "separate"}, "rule": {"kind": "three-factor", "discount": 0.2}}]
    assert given(layers=layers).rule.discount == 0.2
    lstm = given("network.kind=lstm", layers=layers)
    assert (lstm.network.critic, lstm.rule) == ("separate", BPTTSettings())
    file = tmp_path / "mine.yaml"
    file.write_text("network: {kind: rate, tau_min: .2, input_gain: 2}\n")
    assert given("network.kind=lstm", config_file=file).network == LSTMNetworkSettings()
    assert given(config_file=file).network.tau_min == 0.2
    assert given("network.kind=lstm", "network.kind=rate", config_file=file).network.tau_min == 0.2


@pytest.mark.parametrize(
    "sets, words",
    [
        (
            ("network.kind=lstm", "network.tau_min=1"),
            r"^no setting 'network\.tau_min', which is of network 'rate'; the network is 'lstm'\. "
            r"There are: network\.critic, network\.feedback, network\.input_gain, network\.kind, network\.n_units, "
            r"network\.pulse_gain\.$",
        ),
        (
            ("rule.kind=bptt", "rule.peak_penalty=1"),
            r"^no setting 'rule\.peak_penalty', which is of rule 'three-factor'; the rule is 'bptt'\. There are",
        ),
        (
            ("network.kind=lstm", "network.n_unts=8"),
            r"^no setting 'network\.n_unts'\. Did you mean 'network\.n_un",
        ),
        (("network.kind=lstm", "network.n_units=2"), r"recurrent units\): got 2; it must be 4 to 4096\.$"),
    ],
)
def test_a_kind_refuses_settings_of_another_in_one_line(sets, words):
    with pytest.raises(InputError, match=words) as caught:
        given(*sets)
    assert "\n" not in str(caught.value)


def test_another_kind_is_one_more_entry(monkeypatch):
    class MyRuleSettings(ThreeFactorSettings):
        kind: Literal["mine"] = "mine"
        discount: float = 0.5
        speed: float = setting(2.0, "speed", "per update", ge=1, le=3)

    monkeypatch.setitem(RULES, "mine", MyRuleSettings)
    settings = given("rule.kind=mine", "rule.speed=3")
    assert settings.rule == MyRuleSettings(speed=3)
    assert settings.network == RateNetworkSettings()
    assert RunSettings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(InputError, match=r"'rule\.speed' \(per update, speed\): got 4; it must be 1 to 3\.$"):
        given("rule.kind=mine", "rule.speed=4")


def test_the_learning_rate_falls_linearly():
    rule = ThreeFactorSettings(learning_rate=0.8, final_learning_rate=0.25)
    assert [rule.learning_rate_at(share) for share in (0, 0.5, 1)] == pytest.approx([0.8, 0.5, 0.2])


def test_every_setting_says_what_it_does():
    for groups in (get_groups({"network": network, "rule": rule}) for network in NETWORKS for rule in RULES):
        silent = [
            f"{group}.{name}"
            for group, settings in groups.items()
            for name, field in settings.model_fields.items()
            if not field.description
        ]
        assert silent == []
