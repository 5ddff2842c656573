"""The keys whose texts may stand in a log line or a trace: identifiers and words of ours, never what a sender wrote.

Numbers and booleans may stand under any key.
"""

# fmt: off
HARMLESS = frozenset({
    "event", "level", "logger", "timestamp", "service", "queue", "message", "correlation", "causation", "name",
    "state", "reason", "why", "where", "error", "place", "host", "port", "url", "status", "kind", "destination",
    "project", "profile", "transfer", "assignment", "association", "calling_aet", "called_aet", "caller_ip",
    "study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid",
    "abstract_syntax", "path", "version", "signal", "tick", "outcome", "owner", "method", "route", "dropped",
    "study", "series", "instance", "folder", "node", "operation", "head", "trace_id", "span_id", "fate",
    "check", "checks", "subject", "before", "after", "run", "policy", "sort", "part", "export", "switch", "entry",
})
# fmt: on
