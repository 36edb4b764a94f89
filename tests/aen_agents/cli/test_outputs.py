"""Commands that write a file which the user names replace no file of another kind."""

from pathlib import Path

import pytest

from aen_agents.cli.main import main


@pytest.mark.parametrize(
    ("words", "option", "endings"),
    [
        (["report", "{there}", "--out"], "--out", ".html or .htm"),
        (["predict", "{there}", "image.png", "--csv"], "--csv", ".csv or .tsv"),
        (["bench", "transfer", "--steps", "1", "--out"], "--out", ".safetensors"),
        (["data", "test", "digits", "--picture"], "--picture", ".svg or .png or .pdf"),
    ],
)
def test_a_file_of_another_kind_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], option: str, endings: str
) -> None:
    precious = tmp_path / "thesis.docx"
    precious.write_text("precious")
    assert main([*(word.format(there=tmp_path) for word in words), str(precious)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"does not end in {endings}" in err
    assert err.startswith(f"aen: error: {option} is {precious}")
    assert err.count("\n") == 1
    assert precious.read_text() == "precious"
