/* migrate.c - brings a database to the schema of schemas/sql. */
#include "services/persistd/migrate.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/edge/log.h"

static const struct pg_statement note_step = {
    .name = "migrate_note",
    .sql = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1::int8, $2::text, $3::bytea) "
           "ON CONFLICT (version) DO NOTHING"};

static const struct pg_statement lock_steps = {
    .name = "migrate_lock", .sql = "SELECT version FROM schema_migrations WHERE version = 1 FOR UPDATE"};

static const struct pg_statement read_steps = {
    .name = "migrate_read",
    .sql = "SELECT version::int8, name::text, sha256::bytea FROM schema_migrations ORDER BY version"};

/* A verdict of the adapter is one of ours: somebody else was faster, or the server wants it again. */
static int retry_of(int rc)
{
    return rc > 0 ? ERR_RETRY : rc;
}

static struct hash sha256_of(const struct migrate_step *step)
{
    return hash_sha256(span_text(step->sql));
}

static int note(struct pg *pg, const struct migrate_step *step)
{
    struct hash sha256 = sha256_of(step);
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, step->version);
    pg_param_text(&params, span_text(step->name));
    pg_param_bytea(&params, span_of(sha256.bytes, HASH_BYTES));
    return retry_of(pg_exec(pg, &note_step, &params, NULL));
}

/* How many steps the database has; they must be the first of ours. */
static int count_applied(struct pg *pg, const struct migrate_step *steps, size_t count, size_t *applied)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = retry_of(pg_exec(pg, &read_steps, NULL, &result));
    if (rc < 0)
        return rc;
    uint32_t rows = pg_result_rows(result);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t version = pg_result_int(result, i, 0);
        struct span name = pg_result_span(result, i, 1);
        if (i >= count || version != (int64_t)steps[i].version) {
            log_error("migration.unknown",
                      "version=%" PRId64 " name=%s known=%zu why=\"the database is newer than this program\"", version,
                      LOG_QUOTE(name), count);
            return ERR_CONFLICT;
        }
        struct hash sha256 = sha256_of(&steps[i]);
        if (!span_equal(pg_result_span(result, i, 2), span_of(sha256.bytes, HASH_BYTES))) {
            log_error("migration.changed",
                      "version=%" PRId64
                      " name=%s why=\"the database has it with another text: a released migration must not change\"",
                      version, LOG_QUOTE(name));
            return ERR_CONFLICT;
        }
    }
    *applied = rows;
    return 0;
}

/* Under the lock: the step that is next, if any, and its note. */
static int apply_next(struct pg *pg, const struct migrate_step *steps, size_t count, size_t *applied)
{
    int rc = retry_of(pg_exec(pg, &lock_steps, NULL, NULL));
    if (rc == 0)
        rc = count_applied(pg, steps, count, applied);
    if (rc < 0 || *applied == count)
        return rc;
    const struct migrate_step *step = &steps[*applied];
    rc = retry_of(pg_command(pg, step->name, step->sql));
    if (rc == 0)
        rc = note(pg, step);
    return rc;
}

static int in_transaction(struct pg *pg, const struct migrate_step *steps, size_t count, size_t *applied)
{
    int rc = retry_of(pg_command(pg, "migrate_begin", "BEGIN"));
    if (rc < 0)
        return rc;
    rc = apply_next(pg, steps, count, applied);
    if (rc == 0)
        return retry_of(pg_command(pg, "migrate_commit", "COMMIT"));
    if (!pg_is_lost(pg))
        (void)!pg_command(pg, "migrate_rollback", "ROLLBACK");
    return rc;
}

/* IF NOT EXISTS does not help two that make the table at the same moment: one fails. Whether it is there, the note
 * tells. */
static int bootstrap(struct pg *pg, const struct migrate_step *step)
{
    int rc = pg_command(pg, step->name, step->sql);
    if (rc < 0 && rc != -EIO)
        return rc;
    return note(pg, step);
}

int migrate_apply(struct pg *pg, const struct migrate_step *steps, size_t count)
{
    int rc = bootstrap(pg, &steps[0]);
    size_t applied = 0;
    if (rc == 0)
        rc = count_applied(pg, steps, count, &applied);
    while (rc == 0 && applied < count) {
        rc = in_transaction(pg, steps, count, &applied);
        if (rc == 0 && applied < count)
            log_info("migration.applied", "version=%u name=%s", steps[applied].version, steps[applied].name);
    }
    return rc;
}
