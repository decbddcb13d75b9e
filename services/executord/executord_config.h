/* executord_config.h - the configuration keys of executord. */
#pragma once

#include <stdint.h>

#include "common/edge/config.h"

struct executord_config {
    struct config_common common; /* first */
    char *data_dir;
    uint64_t store_map_bytes_max;
    uint64_t state_retain_versions;
    uint64_t state_bytes_max;
    char *execution_endpoint;
    char *outcome_endpoint;
    char *query_endpoint;
    struct config_hex32 consensusd_key;
    struct config_hex32 persistd_key;
    struct config_hex32 apid_key;
};

extern const struct config_table executord_config_table;

/* What the table cannot say: keys that a tcp endpoint needs. Returns 0 or ERR_CONFIG (logged). */
int executord_config_check(const void *config);
