/* apid_config.h - the configuration keys of apid. */
#pragma once

#include <stdint.h>

#include "common/edge/config.h"

struct apid_config {
    struct config_common common; /* first */
    char *listen;
    uint64_t threads;
    char *db_dsn;
    char *db_password_file;
    char *executord_endpoint;
    char *consensusd_endpoint;
    char *mempoold_endpoint;
    struct config_hex32 executord_key;
    struct config_hex32 consensusd_key;
    struct config_hex32 mempoold_key;
};

extern const struct config_table apid_config_table;

/* What the table cannot say. Returns 0 or ERR_CONFIG (logged). */
int apid_config_check(const void *config);
