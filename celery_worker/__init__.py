"""The Celery application, its queues and its timetable; knows tasks by name only."""

from celery_worker.app import app

__all__ = ["app"]
