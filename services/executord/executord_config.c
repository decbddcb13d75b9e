/* executord_config.c - the configuration keys of executord. */
#include "services/executord/executord_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "services/executord/executor.h"

static const struct config_key keys[] = {
    {.name = "DATA_DIR",
     .type = CONFIG_PATH,
     .fallback = "data/executord",
     .offset = offsetof(struct executord_config, data_dir),
     .help = "Directory of the store of committed blocks."},
    {.name = "STORE_MAP_SIZE_BYTES",
     .type = CONFIG_SIZE,
     .fallback = "64GiB",
     .min = UINT64_C(64) << 20,
     .max = UINT64_C(16) << 40,
     .offset = offsetof(struct executord_config, store_map_bytes_max),
     .help = "The store grows up to this; then executord stops."},
    {.name = "STATE_RETAIN_VERSIONS",
     .type = CONFIG_INTEGER,
     .fallback = "100",
     .min = 1,
     .max = EXECUTOR_RETAIN_MAX,
     .unit = "heights",
     .offset = offsetof(struct executord_config, state_retain_versions),
     .help = "Committed heights whose state answers queries."},
    {.name = "STATE_MAX_BYTES",
     .type = CONFIG_SIZE,
     .fallback = "4GiB",
     .min = UINT64_C(16) << 20,
     .max = UINT64_C(16) << 40,
     .offset = offsetof(struct executord_config, state_bytes_max),
     .help = "Memory of the state, all versions together; then executord stops."},
    {.name = "EXECUTION_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = offsetof(struct executord_config, execution_endpoint),
     .help = "Where consensusd connects to."},
    {.name = "OUTCOME_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = offsetof(struct executord_config, outcome_endpoint),
     .help = "Where persistd connects to."},
    {.name = "QUERY_EXECUTORD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = offsetof(struct executord_config, query_endpoint),
     .help = "Where apid connects to."},
    CONFIG_CURVE_KEY("CONSENSUSD_CURVE_KEY", struct executord_config, consensusd_key),
    CONFIG_CURVE_KEY("PERSISTD_CURVE_KEY", struct executord_config, persistd_key),
    CONFIG_CURVE_KEY("APID_CURVE_KEY", struct executord_config, apid_key),
};

const struct config_table executord_config_table = CONFIG_TABLE(keys);

int executord_config_check(const void *config)
{
    const struct executord_config *self = config;
    const struct config_arrow arrows[] = {
        {self->execution_endpoint, "CONSENSUSD_CURVE_KEY", &self->consensusd_key},
        {self->outcome_endpoint, "PERSISTD_CURVE_KEY", &self->persistd_key},
        {self->query_endpoint, "APID_CURVE_KEY", &self->apid_key},
    };
    return config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
}
