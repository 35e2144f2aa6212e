from typing import Literal, cast

NotificationChannel = Literal["email", "pagerduty", "slack"]

NOTIFICATION_CHANNEL_VALUES: set[NotificationChannel] = {
    "email",
    "pagerduty",
    "slack",
}


def check_notification_channel(value: str) -> NotificationChannel:
    """Return the value as it came; one from a newer service passes through"""
    return cast(NotificationChannel, value)
