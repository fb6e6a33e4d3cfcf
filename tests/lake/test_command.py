"""What every command's end looks like."""

import pytest

from lake.command import parse_result


@pytest.mark.parametrize("output", ["", "done", "[1]", '{"a": 1}\nbye'], ids=["nothing", "text", "list", "text after"])
def test_no_result_is_an_error_that_names_the_contract(output: str) -> None:
    with pytest.raises(ValueError, match="one JSON object"):
        parse_result(output)
