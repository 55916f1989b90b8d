"""What holds for class maps, whatever a file has."""

from maskbeam.transforms import class_files


def assert_map_or_one_line(text):
    """A text is a map, which can be written and read again; or refused in one line."""
    try:
        made = class_files.parse_class_map(text, "here")
    except ValueError as error:
        message = str(error)
        assert message.startswith("here: ")
        assert len(message) < 1000
        assert "\n" not in message
    else:
        assert class_files.parse_class_map(class_files.to_yaml(made), "again") == made
