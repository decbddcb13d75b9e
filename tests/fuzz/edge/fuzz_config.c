/* fuzz_config.c - any text as the value of any type: what is accepted is within its limits, prints, and is accepted
 * again when it is read as printed; what is refused leaves the member untouched. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union member {
    char *text;
    uint64_t number;
    bool truth;
    int choice;
    struct config_hex32 hex32;
    struct config_list list;
};

static const char *const choices[] = {"debug", "info"};

static char *printed(const union member *member, struct config_tables tables)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    config_print(out, member, tables);
    if (fclose(out) != 0 || size < 3)
        abort();
    text[size - 1] = '\0'; /* K=value, line break */
    return text;
}

static void check_accepted(union member *member, const struct config_key *key, struct config_tables tables)
{
    if (key->type == CONFIG_INTEGER || key->type == CONFIG_DURATION || key->type == CONFIG_SIZE)
        assert(member->number >= key->min && member->number <= key->max);
    if (key->type == CONFIG_LIST) {
        assert(member->list.count >= 1 && member->list.count <= CONFIG_LIST_COUNT_MAX);
        for (size_t i = 0; i < member->list.count; i++)
            assert(member->list.items[i][0]);
    }
    union member again = {0};
    char *text = printed(member, tables);
    int rc = config_parse(&again, key, text + 2);
    assert(rc == 0);
    free(text);
    if (key->type == CONFIG_INTEGER || key->type == CONFIG_DURATION || key->type == CONFIG_SIZE)
        assert(again.number == member->number);
    config_free(&again, tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct config_key key = {.name = "K",
                                   .type = (enum config_type)(data[0] % CONFIG_TYPE_COUNT),
                                   .min = data[0] % CONFIG_TYPE_COUNT == CONFIG_LIST ? 0 : 1,
                                   .max = data[0] & 0x80 ? UINT64_MAX : 1000000,
                                   .choices = choices,
                                   .choice_count = ARRAY_COUNT(choices),
                                   .help = ""};
    struct config_key limited = key;
    if (key.type == CONFIG_LIST || key.type == CONFIG_NAME || key.type == CONFIG_TEXT)
        limited.max = 0;
    const struct config_table table = {.keys = &limited, .count = 1};
    const struct config_tables tables = {.tables = &table, .count = 1};
    char *value = strndup((const char *)data + 1, size - 1);
    if (!value)
        abort();
    union member member = {0};
    static const union member untouched;
    int rc = config_parse(&member, &limited, value);
    assert(rc == 0 || rc == ERR_CONFIG);
    if (rc == 0)
        check_accepted(&member, &limited, tables);
    else
        assert(memcmp(&member, &untouched, sizeof member) == 0);
    config_free(&member, tables);
    free(value);
    return 0;
}
