"""Calls of the durable writer that can't work."""

from kubernaut_client import AuditWriter, SpoolAlarm


def writers(writer: AuditWriter, alarm: SpoolAlarm) -> None:
    AuditWriter("http://localhost:8080")  # wrong: mypy[call-arg] pyright[reportCallIssue]
    AuditWriter(spool="audit", durability="disk")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    AuditWriter(spool="audit", on_invalid="drop")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    AuditWriter(spool=5)  # wrong: mypy[arg-type] pyright[reportArgumentType]
    writer.emit("event")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    writer.flush("5")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    print(alarm.kind == "gone")  # wrong: mypy[comparison-overlap] pyright[reportUnnecessaryComparison]
