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
    const struct config_arrow arrows[] = {
        {self->executord_endpoint, "EXECUTORD_CURVE_KEY", &self->executord_key},
        {self->consensusd_endpoint, "CONSENSUSD_CURVE_KEY", &self->consensusd_key},
        {self->mempoold_endpoint, "MEMPOOLD_CURVE_KEY", &self->mempoold_key},
    };
    return config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
}
