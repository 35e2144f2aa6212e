-- The tables of the service, as its migrations leave them. Run once, in the schema that the emulator made for itself.
-- Values that the emulator's routes can't tell apart from the service's are kept simple: ids come from
-- gen_random_uuid(), which needs no extension.

CREATE TABLE remediation_workflow_catalog (
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
CREATE INDEX idx_workflow_catalog_latest ON remediation_workflow_catalog (workflow_name, is_latest_version)
    WHERE is_latest_version;
CREATE INDEX idx_workflow_catalog_name ON remediation_workflow_catalog (workflow_name);
CREATE INDEX idx_workflow_catalog_created_at ON remediation_workflow_catalog (created_at DESC);
CREATE INDEX idx_workflow_catalog_success_rate ON remediation_workflow_catalog (actual_success_rate DESC)
    WHERE status = 'active';
CREATE INDEX idx_workflow_catalog_digest ON remediation_workflow_catalog (container_digest)
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
