"""Audit events that are neither lost nor doubled: `AuditWriter`, and the directory in which it keeps them.

    from kubernaut_client import AuditWriter

    with AuditWriter("http://localhost:8080", spool="/var/spool/kubernaut/audit") as writer:
        writer.emit(event)

`python -m kubernaut_client.spool` looks at such a directory, and delivers what is in it. A single call that tells what
became of its events is `client.audit.write_batch`; nothing here is needed for it.
"""
