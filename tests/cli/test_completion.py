"""What a shell gets that asks for completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from asyncload.settings.options import options_of


@pytest.fixture
def complete(asyncload, monkeypatch):
    """Ask as bash does; the last word is the one that is being typed."""

    def ask(*words):
        monkeypatch.setenv("_ASYNCLOAD_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(("asyncload", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        ended = asyncload()
        assert (ended.code, ended.err) == (0, "")
        return ended.out.split()

    return ask


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ru"], ["run", "runs"]),
        (["help", "ve"], ["verify"]),
        (["--version", "ver"], ["verify"]),
        (["run", "--check"], ["--checksum"]),
        (["report", "--ht"], ["--html"]),
        (["run", "--checksum", ""], ["auto", "crc64nvme", "crc32", "md5"]),
        (["run", "--checksum", "=", "crc3"], ["crc32"]),
        (["run", "--checksum", "="], ["auto", "crc64nvme", "crc32", "md5"]),
        (["run", "--trust", "size,m"], ["size,mtime"]),
        (["run", "--timezone", "America/Sao"], ["America/Sao_Paulo"]),
        (["run", "--profile", ""], ["base", "dev", "lake"]),
        (["run", "--then", ""], ["delete", "move"]),
        (["ddl", "--engine", "g"], ["glue"]),
        (["run", "--lock-mode", "c"], ["compliance"]),
        (["schema", "ru"], ["run", "runs"]),
        (["run", '""', "--check"], ["--checksum"]),
        # The shell completes paths itself.
        (["run", ""], []),
        (["run", "--files-from", ""], []),
    ],
)
def test_commands_options_and_values_are_completed(complete, tmp_path, monkeypatch, words, found):
    """Also after a broken settings file, which would only be an error of the command itself."""
    profiles = "[profile lake]\n[ profile 'base' ]\n[sso-session corp]\nregion = x\n"
    (tmp_path / "config").write_text(profiles)
    (tmp_path / "credentials").write_text("[dev]\n[lake]\n")
    (tmp_path / "asyncload.toml").write_text("bucket = \n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", "config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    assert complete(*words) == found


def test_profiles_of_files_that_are_missing_are_none(complete, monkeypatch, tmp_path):
    """Nothing is written to the terminal."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path))
    assert complete("run", "--profile", "") == []


def test_each_option_of_a_command_is_offered(complete):
    """By its flags."""
    offered = complete("run", "--")
    assert {option.flag for option in options_of("run") if not option.positional} <= {*offered}


@pytest.mark.parametrize(
    ("shell", "line", "found"),
    [
        ("zsh", "asyncload help veri", '"verify":'),
        ("zsh", "asyncload run --sse aes", "_files"),
        ("zsh", "asyncload run --sse AES", '"AES256"'),
        ("fish", "asyncload run --sse ", "AES256\naws:kms\naws:kms:dsse\n"),
    ],
)
def test_zsh_and_fish_are_answered_in_their_forms(asyncload, monkeypatch, shell, line, found):
    """They send the line up to the cursor."""
    monkeypatch.setenv("_ASYNCLOAD_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    ended = asyncload()
    assert (ended.code, ended.err) == (0, "")
    assert found in ended.out


def test_bash_completes_with_the_script_that_the_program_prints(asyncload, tmp_path, monkeypatch):
    """Bash itself runs it, with the program on its path."""
    monkeypatch.setenv("_ASYNCLOAD_COMPLETE", "source_bash")
    script = asyncload().out
    program = tmp_path / "asyncload"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m asyncload "$@"\n')
    program.chmod(0o755)
    asks = (
        "COMP_WORDS=(asyncload run --skip-); COMP_CWORD=2; _asyncload_completion asyncload; "
        'echo "${COMPREPLY[*]}"'
    )
    bash = shutil.which("bash")
    assert bash is not None
    environment = {n: v for n, v in os.environ.items() if n != "_ASYNCLOAD_COMPLETE"}
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    done = subprocess.run(  # our own script
        [bash, "-c", f"{script}\n{asks}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("--skip-existing\n", "")
