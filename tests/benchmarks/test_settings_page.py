"""The page of the settings is that of the code."""

from benchmarks.settings_page import PAGE, format_page


def test_the_page_of_settings_is_up_to_date():
    assert PAGE.read_text("utf-8") == format_page(), "run: python benchmarks/settings_page.py"
