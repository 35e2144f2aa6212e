from typing import Literal, cast

NotificationStatus = Literal["failed", "sent"]

NOTIFICATION_STATUS_VALUES: set[NotificationStatus] = {
    "failed",
    "sent",
}


def check_notification_status(value: str) -> NotificationStatus:
    """Return the value as it came; one from a newer service passes through"""
    return cast(NotificationStatus, value)
