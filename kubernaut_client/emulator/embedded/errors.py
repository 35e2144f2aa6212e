"""What ends the work of the supervisor."""


class SupervisorError(Exception):
    """A step failed; the text is for the caller of the emulator."""


class ParentGone(Exception):
    """The parent ended, or asked for the end, while a step was under way."""
