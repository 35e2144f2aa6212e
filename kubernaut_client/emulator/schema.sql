-- The tables of the service, as its migrations leave them. Run once, in the schema that the emulator made for itself.
-- Tables, constraints and indexes have the names that the migrations give them. Values that the emulator's routes can't
-- tell apart from the service's are kept simple: ids come from gen_random_uuid(), which needs no extension. The tables
-- are unlogged: nothing here outlives a crash of the server, and a reset is a third faster. A server that is stopped in
-- good order keeps their rows.

CREATE UNLOGGED TABLE remediation_workflow_catalog (
    workflow_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_name varchar(255) NOT NULL,
    version varchar(50) NOT NULL,
    name varchar(255) NOT NULL,
    description text NOT NULL,
    owner varchar(255),
    maintainer varchar(255),
    content text NOT NULL,
    content_hash varchar(64) NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    custom_labels jsonb NOT NULL DEFAULT '{}',
    detected_labels jsonb NOT NULL DEFAULT '{}',
    parameters jsonb,
    execution_engine varchar(50) NOT NULL DEFAULT 'tekton',
    container_image text,
    container_digest varchar(71),
    status varchar(20) NOT NULL DEFAULT 'active',
    status_reason text,
    disabled_at timestamptz,
    disabled_by varchar(255),
    disabled_reason text,
    is_latest_version boolean NOT NULL DEFAULT false,
    previous_version varchar(50),
    deprecation_notice text,
    version_notes text,
    change_summary text,
    approved_by varchar(255),
    approved_at timestamptz,
    expected_success_rate numeric(4, 3),
    expected_duration_seconds integer,
    actual_success_rate numeric(4, 3),
    total_executions integer DEFAULT 0,
    successful_executions integer DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by varchar(255),
    updated_by varchar(255),
    CONSTRAINT uq_workflow_name_version UNIQUE (workflow_name, version),
    CHECK (status IN ('active', 'disabled', 'deprecated', 'archived')),
    CHECK (expected_success_rate IS NULL OR expected_success_rate BETWEEN 0 AND 1),
    CHECK (actual_success_rate IS NULL OR actual_success_rate BETWEEN 0 AND 1),
    CHECK (total_executions >= 0),
    CHECK (successful_executions >= 0 AND successful_executions <= total_executions)
);

CREATE INDEX idx_workflow_catalog_status ON remediation_workflow_catalog (status);
CREATE INDEX idx_workflow_catalog_latest_by_name ON remediation_workflow_catalog (workflow_name, is_latest_version)
    WHERE is_latest_version;
CREATE INDEX idx_workflow_catalog_workflow_name ON remediation_workflow_catalog (workflow_name);
CREATE INDEX idx_workflow_catalog_created_at ON remediation_workflow_catalog (created_at DESC);
CREATE INDEX idx_workflow_catalog_success_rate ON remediation_workflow_catalog (actual_success_rate DESC)
    WHERE status = 'active';
CREATE INDEX idx_workflow_catalog_container_digest ON remediation_workflow_catalog (container_digest)
    WHERE container_digest IS NOT NULL;
CREATE INDEX idx_workflow_catalog_labels ON remediation_workflow_catalog USING gin (labels);
CREATE INDEX idx_workflow_catalog_custom_labels ON remediation_workflow_catalog USING gin (custom_labels);
CREATE INDEX idx_workflow_catalog_detected_labels ON remediation_workflow_catalog USING gin (detected_labels);

CREATE FUNCTION update_workflow_catalog_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END
$$;

CREATE TRIGGER trigger_workflow_catalog_updated_at BEFORE UPDATE ON remediation_workflow_catalog
    FOR EACH ROW EXECUTE FUNCTION update_workflow_catalog_updated_at();

-- Partitioned by month, with no default partition: a month without one can't be written. The foreign key of the parent
-- is left out: its date is never stored, so that the service's own never applies, and it makes a DELETE take seconds.
CREATE TABLE audit_events (
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    event_version varchar(10) NOT NULL DEFAULT '1.0',
    event_timestamp timestamptz NOT NULL DEFAULT now(),
    event_date date NOT NULL,
    event_type varchar(100) NOT NULL,
    event_category varchar(50) NOT NULL,
    event_action varchar(50) NOT NULL,
    event_outcome varchar(20) NOT NULL,
    actor_type varchar(50) NOT NULL,
    actor_id varchar(255) NOT NULL,
    actor_ip inet,
    resource_type varchar(100) NOT NULL,
    resource_id varchar(255) NOT NULL,
    resource_name varchar(255),
    correlation_id varchar(255) NOT NULL,
    parent_event_id uuid,
    parent_event_date date,
    trace_id varchar(255),
    span_id varchar(255),
    namespace varchar(253),
    cluster_name varchar(255),
    event_data jsonb NOT NULL,
    event_metadata jsonb,
    severity varchar(20),
    duration_ms integer,
    error_code varchar(50),
    error_message text,
    retention_days integer NOT NULL DEFAULT 2555,
    is_sensitive boolean NOT NULL DEFAULT false,
    PRIMARY KEY (event_id, event_date)
) PARTITION BY RANGE (event_date);

CREATE INDEX idx_audit_events_event_timestamp ON audit_events (event_timestamp DESC);
CREATE INDEX idx_audit_events_correlation_id ON audit_events (correlation_id, event_timestamp DESC);
CREATE INDEX idx_audit_events_event_type ON audit_events (event_type, event_timestamp DESC);
CREATE INDEX idx_audit_events_resource ON audit_events (resource_type, resource_id, event_timestamp DESC);
CREATE INDEX idx_audit_events_actor ON audit_events (actor_type, actor_id, event_timestamp DESC);
CREATE INDEX idx_audit_events_outcome ON audit_events (event_outcome, event_timestamp DESC);
CREATE INDEX idx_audit_events_event_date ON audit_events (event_date);
CREATE INDEX idx_audit_events_event_data_gin ON audit_events USING gin (event_data);

CREATE FUNCTION set_audit_event_date() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.event_date = NEW.event_timestamp::date;
    RETURN NEW;
END
$$;

CREATE TRIGGER trg_set_audit_event_date BEFORE INSERT ON audit_events
    FOR EACH ROW EXECUTE FUNCTION set_audit_event_date();

-- The months that the migrations name, the month of the migration and the three that follow. The month before that is
-- there, too: an installation is rarely migrated on the day that it is used, and takes events of the last seven days.
DO $$
DECLARE
    month date;
BEGIN
    FOR month IN
        SELECT DISTINCT month_of FROM (
            SELECT generate_series('2025-11-01'::date, '2026-02-01'::date, interval '1 month')::date AS month_of
            UNION ALL
            SELECT (date_trunc('month', now()) + step * interval '1 month')::date FROM generate_series(-1, 3) AS step
        ) AS months ORDER BY month_of
    LOOP
        EXECUTE format(
            'CREATE UNLOGGED TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
            'audit_events_' || to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date
        );
    END LOOP;
END
$$;

CREATE UNLOGGED TABLE notification_audit (
    id bigserial PRIMARY KEY,
    remediation_id varchar(255) NOT NULL,
    notification_id varchar(255) NOT NULL,
    recipient varchar(255) NOT NULL,
    channel varchar(50) NOT NULL,
    message_summary text NOT NULL,
    status varchar(50) NOT NULL,
    sent_at timestamptz NOT NULL,
    delivery_status text,
    error_message text,
    escalation_level integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notification_audit_notification_id_key UNIQUE (notification_id),
    CHECK (channel IN ('email', 'slack', 'pagerduty', 'sms')),
    CHECK (status IN ('sent', 'failed', 'acknowledged', 'escalated'))
);

CREATE INDEX idx_notification_audit_notification_id ON notification_audit (notification_id);
CREATE INDEX idx_notification_audit_remediation_id ON notification_audit (remediation_id);
CREATE INDEX idx_notification_audit_channel ON notification_audit (channel);
CREATE INDEX idx_notification_audit_status ON notification_audit (status);
CREATE INDEX idx_notification_audit_created_at ON notification_audit (created_at DESC);
