/* config_value.h - one value of the configuration: reading, showing, freeing. For config.c.
 *
 * Not pure: CONFIG_FILE looks at the file. Ownership: a parsed value belongs to its member until config_value_free().
 * Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/base/attr.h"
#include "common/edge/config.h"

enum { CONFIG_VALUE_WANTS_BYTES_MAX = 512 };

/* Parse value into *member, of the type that enum config_type names. Returns 0, ERR_CONFIG or -ENOMEM; *member is
 * written only on success. */
MUST_USE int config_value_parse(void *member, const struct config_key *key, const char *value);

/* What the key wants, as "a whole number from 1 to 1000000 (transactions)"; zero-terminated. */
void config_value_wants(char out[static CONFIG_VALUE_WANTS_BYTES_MAX], const struct config_key *key);

/* Numbers, truth values and choices always are. */
bool config_value_is_set(const void *member, enum config_type type);

/* As config_value_parse() would read it. The value is set. */
void config_value_print(FILE *out, const void *member, const struct config_key *key);

/* Free, wipe and zero. */
void config_value_free(void *member, enum config_type type);
