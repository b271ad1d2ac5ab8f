"""``python -m folioscope``: the same as the command ``folioscope``."""

from folioscope.jobs.main import main

if __name__ == "__main__":
    main(prog_name="folioscope")
