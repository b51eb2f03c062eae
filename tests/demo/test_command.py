"""What `site2crm demo` refuses."""

from pathlib import Path

from click.testing import CliRunner

from site2crm.commands.demo import MARK, command


def test_a_folder_that_is_no_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    done = CliRunner().invoke(command, ["--dir", str(tmp_path)])
    assert done.exit_code == 2
    assert (tmp_path / "precious").read_text() == "keep me"
    assert not (tmp_path / MARK).exists()
