"""One module a page: its routes, and what its templates are given."""

from __future__ import annotations

from . import (
    backend_changes,
    backend_trials,
    backends,
    client_keys,
    connect,
    home,
    key_groups,
    mappings,
    models,
    more,
    playground,
    requests,
    settings,
    settings_audit,
    settings_backups,
    settings_checks,
    sign_in,
    stored_models,
    undo,
    usage,
)

PAGES = (
    sign_in.router,
    home.router,
    key_groups.router,
    client_keys.router,
    backends.router,
    backend_trials.router,
    backend_changes.router,
    models.router,
    mappings.router,
    stored_models.router,
    connect.router,
    playground.router,
    requests.router,
    usage.router,
    settings.router,
    settings_audit.router,
    settings_backups.router,
    settings_checks.router,
    more.router,
    undo.router,
)
