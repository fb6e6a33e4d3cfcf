"""Jobs: functions of a day or a range, run as `python -m jobs.<job> --ds D` or `--from A --to B`."""
