/* apid_config.c - the configuration keys of apid. */
#include "services/apid/apid_config.h"

#include <stddef.h>
#include <string.h>

#define FIELD(member) offsetof(struct apid_config, member)

static const struct config_key keys[] = {
    {.name = "API_LISTEN",
     .type = CONFIG_HOSTPORT,
     .offset = FIELD(listen),
     .help = "Where readers are answered, plain HTTP."},
    {.name = "API_THREADS",
     .type = CONFIG_INTEGER,
     .fallback = "8",
     .min = 1,
     .max = 256,
     .unit = "threads",
     .offset = FIELD(threads),
     .help = "Requests answered at once; each may use one database connection."},
    {.name = "DB_DSN",
     .type = CONFIG_TEXT,
     .min = 1,
     .offset = FIELD(db_dsn),
     .help = "The database, as libpq's conninfo with a read-only role; without a password in it."},
    {.name = "DB_PASSWORD_FILE",
     .type = CONFIG_FILE,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(db_password_file),
     .help = "The reader's password, one line; mode 0600."},
    {.name = "QUERY_EXECUTORD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/query_executord.sock",
     .offset = FIELD(executord_endpoint),
     .help = "Where executord answers for the state."},
    {.name = "QUERY_CONSENSUSD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(consensusd_endpoint),
     .help = "Where consensusd tells its status, for /status; empty: it is not asked."},
    {.name = "QUERY_MEMPOOLD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(mempoold_endpoint),
     .help = "Where mempoold tells its status, for /status; empty: it is not asked."},
    CONFIG_CURVE_KEY("EXECUTORD_CURVE_KEY", struct apid_config, executord_key),
    CONFIG_CURVE_KEY("CONSENSUSD_CURVE_KEY", struct apid_config, consensusd_key),
    CONFIG_CURVE_KEY("MEMPOOLD_CURVE_KEY", struct apid_config, mempoold_key),
};

const struct config_table apid_config_table = CONFIG_TABLE(keys);

int apid_config_check(const void *config)
{
    const struct apid_config *self = config;
    const struct {
        const char *endpoint;
        const struct config_hex32 *key;
        const char *key_name;
    } arrows[] = {
        {self->executord_endpoint, &self->executord_key, "EXECUTORD_CURVE_KEY"},
        {self->consensusd_endpoint, &self->consensusd_key, "CONSENSUSD_CURVE_KEY"},
        {self->mempoold_endpoint, &self->mempoold_key, "MEMPOOLD_CURVE_KEY"},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_COUNT(arrows); i++) {
        if (!arrows[i].endpoint || strncmp(arrows[i].endpoint, "tcp://", 6) != 0)
            continue;
        if (!arrows[i].key->is_set)
            rc = config_problem(arrows[i].key_name, NULL, "is needed because its endpoint is tcp");
        if (!self->common.stage_curve_key_file)
            rc = config_problem("STAGE_CURVE_KEY_FILE", NULL, "is needed because an endpoint is tcp");
    }
    return rc;
}
