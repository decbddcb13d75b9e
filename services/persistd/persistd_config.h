/* persistd_config.h - the configuration keys of persistd. */
#pragma once

#include "common/edge/config.h"

struct persistd_config {
    struct config_common common; /* first */
    char *db_dsn;
    char *db_password_file; /* or NULL */
    char *db_reader_role;   /* or NULL */
    char *outcome_endpoint;
    char *feed_endpoint;
    char *feed_pub_endpoint;
    struct config_hex32 executord_key;
    struct config_hex32 ingestd_key;
    struct config_hex32 apid_key;
};

extern const struct config_table persistd_config_table;

/* What the table cannot say: keys that a tcp endpoint needs. Returns 0 or ERR_CONFIG (logged). */
int persistd_config_check(const void *config);
