"""The chain: the trigger that numbers and hashes, and the guards around it.

The trigger function runs as its owner, so that the application's role needs no right at all to
write the head; it is the only writer.
"""

from django.db import migrations

from apps.core.sql import append_only

_LINK = """
CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    last_sequence bigint;
    last_hash text;
    field text;
    framed bytea := '';
BEGIN
    EXECUTE format('SELECT sequence, hash FROM %I.%I WHERE id = 1 FOR UPDATE',
                   TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO STRICT last_sequence, last_hash;
    NEW.sequence := last_sequence + 1;
    NEW.prev_hash := last_hash;
    FOREACH field IN ARRAY ARRAY[
        NEW.sequence::text,
        NEW.prev_hash,
        to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        NEW.actor_kind,
        NEW.actor,
        COALESCE(NEW.user_id::text, ''),
        NEW.action,
        NEW.subject,
        NEW.subject_id,
        NEW.detail::text
    ] LOOP
        framed := framed
            || convert_to(octet_length(convert_to(field, 'UTF8'))::text || ':' || field, 'UTF8');
    END LOOP;
    NEW.hash := encode(sha256(framed), 'hex');
    EXECUTE format('UPDATE %I.%I SET sequence = $1, hash = $2 WHERE id = 1',
                   TG_TABLE_SCHEMA, TG_ARGV[0])
        USING NEW.sequence, NEW.hash;
    RETURN NEW;
END $fn$
"""

# Whoever was given rights on the head by default loses all but reading it.
_REVOKE = """
DO $do$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT role.rolname
          FROM pg_class AS head
         CROSS JOIN LATERAL aclexplode(head.relacl) AS entry
          JOIN pg_roles AS role ON role.oid = entry.grantee
         WHERE head.oid = 'audit_audithead'::regclass AND entry.grantee <> head.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON audit_audithead FROM %I', grantee);
        EXECUTE format('GRANT SELECT ON audit_audithead TO %I', grantee);
    END LOOP;
END $do$
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"INSERT INTO audit_audithead (id, sequence, hash) VALUES (1, 0, '{'0' * 64}')",
            "DELETE FROM audit_audithead",
        ),
        migrations.RunSQL(_LINK, "DROP FUNCTION audit_link()"),
        migrations.RunSQL(
            "CREATE TRIGGER audit_auditrecord_link BEFORE INSERT ON audit_auditrecord "
            "FOR EACH ROW EXECUTE FUNCTION audit_link('audit_audithead')",
            "DROP TRIGGER audit_auditrecord_link ON audit_auditrecord",
        ),
        *append_only("audit_auditrecord"),
        migrations.RunSQL(_REVOKE, migrations.RunSQL.noop),
    ]
